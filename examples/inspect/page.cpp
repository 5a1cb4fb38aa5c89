#include <tape/examples/inspect/page.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

#include <tape/examples/inspect/maps.h>
#include <tape/examples/lab/html.h>
#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::inspect {

namespace {

using lab::Language;
using lab::Text;
using tool::xml_text;

constexpr int64_t most_layers = 16;
constexpr int64_t most_numbers = int64_t{1} << 21;

// 0 … count-1, or `most` of them, evenly spaced, with the first and the last.
std::vector<int64_t> spaced(int64_t count, int64_t most) {
  std::vector<int64_t> numbers;
  const int64_t n = std::clamp<int64_t>(most, 1, count);
  for (int64_t i = 0; i < n; ++i) numbers.push_back(n == 1 ? 0 : i * (count - 1) / (n - 1));
  return numbers;
}

std::vector<int64_t> checked(std::vector<int64_t> numbers, int64_t count, const char* option, const char* what) {
  for (const int64_t n : numbers) {
    if (n < 0 || n >= count) throw Error(str(option, " ", n, ": this model has ", what, " 0 to ", count - 1));
  }
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::string listed(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t n : numbers) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return text;
}

std::string percent(double p) {
  return fmt::format("{:.1f} %", 100 * p);
}

class Sections {
 public:
  Sections(const Input& input, const Observation& seen, const Selection& selection, Language language)
      : input_(input), seen_(seen), shown_(chosen(seen, selection)), language_(language) {}

  std::string build() {
    text();
    predictions();
    attention();
    for (const StackView& stack : seen_.stacks) activations(stack);
    html_ += fmt::format("<script>{}</script>\n", map_script());
    return std::move(html_);
  }

 private:
  void words(const char* tag, const Text& text, std::string_view attributes = "") {
    html_ += lab::element(tag, text, language_, attributes) + "\n";
  }

  void open(const char* name, const Text& title) {
    html_ += fmt::format("<section id=\"inspect-{}\">\n", name);
    words("h2", title);
  }

  static Text prefix(const StackView& stack) {
    switch (stack.kind) {
      case StackView::Kind::encoder:
        return {"Encoder: ", "编码器："};
      case StackView::Kind::decoder:
        return {"Decoder: ", "解码器："};
      case StackView::Kind::only:
        return "";
    }
    return "";
  }
  static Text titled(const StackView& stack, const Text& title) {
    const Text before = prefix(stack);
    Text both{before.en + title.en, before.zh + title.zh};
    both.en[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(both.en[0])));
    return both;
  }
  static std::string key(const StackView& stack, const char* name) {
    const char* kind = stack.kind == StackView::Kind::encoder   ? "encoder"
                       : stack.kind == StackView::Kind::decoder ? "decoder"
                                                                : "stack";
    return fmt::format("inspect-{}-{}", kind, name);
  }

  static std::string joined(const std::vector<std::string>& tokens) {
    return std::accumulate(tokens.begin(), tokens.end(), std::string());
  }

  void text() {
    open("text", {"The text", "文本"});
    if (!input_.given) {
      words("p", {"From the data that validates this run.", "取自本次训练的验证数据。"}, "class=\"soft\"");
    } else if (input_.translated) {
      words("p",
            {"The target is the model's own: the likeliest token each time.",
             "目标文本由模型自己写出：每步取最可能的字符。"},
            "class=\"soft\"");
    }
    if (!input_.source.empty()) html_ += "<pre>" + xml_text(joined(input_.source)) + "</pre>\n";
    html_ += "<pre>" + xml_text(joined(input_.tokens)) + "</pre>\n";
    words("p",
          {"␣ space, ↵ line end, ⇥ tab, ▸ begin, ■ end, ▢ gap. Layers, heads and positions count from 0.",
           "␣ 空格，↵ 换行，⇥ 制表符，▸ 开始，■ 结束，▢ 空缺。层、头和位置都从 0 数起。"},
          "class=\"soft\"");
    html_ += "</section>\n";
  }

  void predictions() {
    open("predictions", {"Predictions", "预测"});
    TokenTable losses{{"-ln p"}, {{}}};
    lab::Table table{
        {Text{"position", "位置"}, Text{"reads", "读到"}, Text{"expected", "应为"}, Text{"-ln p (nats)", "-ln p (nat)"},
         Text{"likeliest", "最可能"}, Text{"second", "第二"}, Text{"third", "第三"}},
        {}};
    double sum = 0;
    int64_t count = 0;
    for (std::size_t t = 0; t < seen_.predictions.size(); ++t) {
      const Prediction& p = seen_.predictions[t];
      losses.values[0].push_back(p.loss);
      const bool known = std::isfinite(p.loss);
      if (known) sum += p.loss, ++count;
      std::vector<Text> row{std::to_string(t), input_.tokens[t], p.expected,
                            known ? fmt::format("{:.2f}", p.loss) : "-"};
      for (const Candidate& c : p.candidates) row.emplace_back(c.token + " " + percent(c.probability));
      row.resize(table.head.size());
      table.rows.push_back(std::move(row));
    }
    if (count > 0) {
      const std::string mean = fmt::format("{:.3f}", sum / static_cast<double>(count));
      html_ +=
          token_strips("inspect-losses", {"Loss of each prediction", "每个预测的损失"},
                       {fmt::format("-ln of the probability of what is expected after each token, in nats; grey where "
                                    "nothing is. Mean over {}: {}.",
                                    count, mean),
                        fmt::format("每个位置上应有字符的概率的负对数（nat）；灰色处没有应有字符。{} 处的平均值：{}。",
                                    count, mean)},
                       losses, input_.tokens, language_);
    }
    html_ += "<details><summary>" +
             lab::inline_words({"What is likeliest after each token", "每个字符之后最可能的字符"}, language_) +
             "</summary>" + lab::html_of(table, language_) + "</details>\n</section>\n";
  }

  void attention() {
    open("attention", {"Attention", "注意力"});
    words("p",
          {"Each map: a row for each query, a column for each key it may look at, coloured by probability. Under it "
           "layer, head and the mean entropy over queries in nats. Open a map to see its tokens.",
           "每幅图：一行是一个查询，一列是它可以看的一个键，颜色表示概率。图下是层、头，以及各查询熵的平均值（nat）。"
           "点开一幅图可看到字符。"});
    words("p",
          {fmt::format("Shown: layers {}; heads {}. Grey: keys that are hidden from the query.", listed(shown_.layers),
                       listed(shown_.heads)),
           fmt::format("所示：层 {}；头 {}。灰色：对该查询隐藏的键。", listed(shown_.layers), listed(shown_.heads))},
          "class=\"soft\"");
    html_ += probability_scale(language_);
    for (const StackView& stack : seen_.stacks) {
      maps(stack, "self", {"self-attention", "自注意力"}, stack.self, stack.tokens);
      if (!stack.cross.empty()) maps(stack, "cross", {"cross-attention", "交叉注意力"}, stack.cross, stack.memory);
    }
    html_ += "</section>\n";
  }

  void maps(const StackView& stack, const char* name, const Text& title, const std::vector<AttentionView>& views,
            const std::vector<std::string>& keys) {
    html_ += attention_grid(key(stack, name), titled(stack, title), views, stack.tokens, keys, shown_.layers,
                            shown_.heads, language_);
    lab::Map map{.x_name = {"head", "头"}, .y_name = {"layer", "层"}, .value_name = {"entropy (nats)", "熵 (nat)"}};
    for (const int64_t head : shown_.heads) map.columns.emplace_back(std::to_string(head));
    for (const AttentionView& view : views) {
      if (std::ranges::find(shown_.layers, view.layer) == shown_.layers.end()) continue;
      map.rows.emplace_back(std::to_string(view.layer));
      map.cells.emplace_back();
      for (const int64_t head : shown_.heads) {
        const int64_t queries = view.entropy.last();
        const auto row =
            view.entropy.values().subspan(static_cast<std::size_t>(head * queries), static_cast<std::size_t>(queries));
        map.cells.back().push_back({lab::estimate(std::vector<double>(row.begin(), row.end())), false});
      }
    }
    if (map.rows.empty()) return;
    const Text entropy{"entropy of each head", "各头的熵"};
    html_ += lab::html_of(
        lab::Figure{.title = titled(stack, {title.en + ", " + entropy.en, title.zh + "，" + entropy.zh}),
                    .caption = {fmt::format("Mean over queries of -Σ p·ln p: 0 looks at one key, ln {} = {:.2f} at all "
                                            "{} alike.",
                                            keys.size(), std::log(static_cast<double>(keys.size())), keys.size()),
                                fmt::format("各查询 -Σ p·ln p 的平均值：0 表示只看一个键，ln {} = {:.2f} 表示 {} "
                                            "个键一样看。",
                                            keys.size(), std::log(static_cast<double>(keys.size())), keys.size())},
                    .content = map,
                    .numbers = {"Numbers: mean ± standard deviation over queries", "数据：各查询的均值 ± 标准差"}},
        language_);
  }

  // The places of a table that belong to no layer or to one that is shown.
  TokenTable of_shown(const TokenTable& table) const {
    TokenTable result;
    for (std::size_t i = 0; i < table.places.size(); ++i) {
      if (!is_shown(table.places[i])) continue;
      result.places.push_back(table.places[i]);
      result.values.push_back(table.values[i]);
    }
    return result;
  }
  bool is_shown(const std::string& place) const {
    if (place.empty() || place[0] < '0' || place[0] > '9') return true;
    return std::ranges::find(shown_.layers, std::stoll(place)) != shown_.layers.end();
  }

  void strips(const StackView& stack, const char* name, const Text& title, const Text& caption,
              const TokenTable& table) {
    const TokenTable shown = of_shown(table);
    if (shown.places.empty()) return;
    html_ += token_strips(key(stack, name), titled(stack, title), caption, shown, stack.tokens, language_);
  }

  void activations(const StackView& stack) {
    const char* id = stack.kind == StackView::Kind::encoder ? "encoder" : "activations";
    open(id, titled(stack, {"Activations", "激活"}));
    strips(stack, "stream", {"residual stream", "残差流"},
           {"RMS over columns of each token's stream, behind the embedding and behind each layer.",
            "每个字符的残差流在各列上的均方根：嵌入之后，以及每层之后。"},
           stack.stream);
    strips(
        stack, "norms", {"outputs of the norms", "归一化的输出"},
        {"RMS over columns of what each norm gives. ln1 and ln2 stand before attention and feed-forward, ln_cross "
         "before cross-attention; _post behind the branch, _sum behind the addition, _stream before branch and skip.",
         "每个归一化输出在各列上的均方根。ln1、ln2 在注意力和前馈之前，ln_cross 在交叉注意力之前；_post "
         "在分支之后，_sum "
         "在相加之后，_stream 在分支与跳连之前。"},
        stack.norms);
    strips(stack, "active", {"active hidden units", "活跃的隐藏单元"},
           {"Share of the feed-forward network's hidden units whose activation function sees a number above 0.",
            "前馈网络中激活函数输入大于 0 的隐藏单元所占比例。"},
           stack.active);
    strips(stack, "peak", {"largest hidden unit", "最大的隐藏单元"},
           {"max |x| over hidden units, as the network's last projection reads them.",
            "隐藏单元的 max |x|，即前馈网络最后一个投影所读到的值。"},
           stack.peak);
    outliers(stack);
    html_ += "</section>\n";
  }

  void outliers(const StackView& stack) {
    lab::Table table{{Text{"after layer", "层之后"}, Text{"dimension", "维度"}, Text{"mean |x|/RMS", "平均 |x|/RMS"},
                      Text{"max |x|/RMS", "最大 |x|/RMS"}},
                     {}};
    for (const Outlier& o : stack.outliers) {
      if (!is_shown(o.place)) continue;
      table.rows.push_back(
          {o.place, std::to_string(o.dimension), fmt::format("{:.2f}", o.mean), fmt::format("{:.2f}", o.largest)});
    }
    const Text title = titled(stack, {"outlier dimensions of the stream", "残差流的离群维度"});
    html_ += "<figure>\n" + lab::element("h3", title, language_) + "\n" + lab::html_of(table, language_);
    html_ += "<figcaption>" +
             lab::element("p",
                          {"The dimension that sticks out most, by the mean over tokens of |x|/RMS(x), and the largest "
                           "|x|/RMS(x) of all. Of numbers alike in size it is 1; one dimension alone makes it √C.",
                           "按各字符 |x|/RMS(x) 的平均值最突出的维度，以及全体中最大的 |x|/RMS(x)。大小相同的数为 1；"
                           "只有一个维度不为零时为 √C。"},
                          language_) +
             "</figcaption>\n</figure>\n";
  }

  const Input& input_;
  const Observation& seen_;
  Selection shown_;
  Language language_;
  std::string html_;
};

std::string sections_of(const tool::TrainedModel& trained, const TextRequest& request, const Selection& selection,
                        Language language) {
  const Input input = input_of(trained.run, trained.model, request);
  return sections(input, observe(trained.run, trained.model, input), selection, language);
}

}  // namespace

Selection chosen(const Observation& observation, const Selection& selection) {
  int64_t layers = 0;
  int64_t numbers = 0;  // of one head of one layer, in all its maps
  for (const StackView& stack : observation.stacks) {
    layers = std::max(layers, std::ssize(stack.self));
    for (const auto* views : {&stack.self, &stack.cross})
      if (!views->empty()) numbers += views->front().pattern.shape()[1] * views->front().pattern.shape()[2];
  }
  const int64_t heads = observation.stacks.front().self.front().pattern.shape()[0];
  Selection result{checked(selection.layers, layers, "--layers", "layers"),
                   checked(selection.heads, heads, "--heads", "heads")};
  if (result.heads.empty()) result.heads = spaced(heads, most_numbers / std::max<int64_t>(numbers, 1));
  const int64_t of_layer = numbers * std::ssize(result.heads);
  if (result.layers.empty())
    result.layers = spaced(layers, std::min(most_layers, most_numbers / std::max<int64_t>(of_layer, 1)));
  return result;
}

std::string sections(const Input& input, const Observation& observation, const Selection& selection,
                     Language language) {
  return Sections(input, observation, selection, language).build();
}

std::string sections(const tool::RunFolder& folder, const TextRequest& request, const Selection& selection,
                     Language language) {
  return sections_of(tool::load_trained_model(folder), request, selection, language);
}

std::string page(const tool::RunFolder& folder, const TextRequest& request, const Selection& selection,
                 Language language) {
  const tool::TrainedModel trained = tool::load_trained_model(folder);
  const nn::ModelConfig& c = trained.run.config.model;
  const Text title{"Inside " + folder.path(), folder.path() + " 的内部"};
  const std::string facts =
      fmt::format("{} · {} · {} · {} × {} · C = {}", tool::name_of(trained.run.config.architecture),
                  nn::scheme_info(c.scheme).title, nn::name_of(c.norm.kind), c.layers, c.heads, c.width);
  return lab::html_page(title,
                        lab::element("h1", title, language) + "\n<p class=\"soft\">" + xml_text(facts) + "</p>\n" +
                            sections_of(trained, request, selection, language),
                        language);
}

}  // namespace tape::inline TAPE_ABI::inspect
