#include <tape/examples/support/config.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <type_traits>

#include <tape/core/atomic_file.h>
#include <tape/examples/support/files.h>
#include <tape/nn/block.h>
#include <tape/nn/module.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

using Json = nlohmann::ordered_json;

// Each of these lists the entries of one section, for reading and for writing alike.
// later() lists those that the first version did not have.
void visit(auto&& v, nn::ModelConfig& c) {
  v("vocab", c.vocab);
  v("context", c.context);
  v("layers", c.layers);
  v("heads", c.heads);
  v.later("kv_heads", c.kv_heads);
  v("width", c.width);
  v("hidden", c.hidden);
  v("scheme", c.scheme, nn::scheme);
  v("norm", c.norm.kind, nn::norm_kind);
  v("norm_eps", c.norm.eps);
  v("activation", c.activation, nn::activation);
  v("positions", c.positions, nn::positions);
  v("rotary_base", c.rotary_base);
  v.later("window", c.window);
  v.later("softcap", c.softcap);
  v.later("qk_norm", c.qk_norm, nn::qk_norm);
  v("tied", c.tied);
  v("bias", c.bias);
  v("dropout", c.dropout);
  v("recompute", c.recompute);
  v.later("decoder_layers", c.decoder_layers);
  v.later("norm_eps_place", c.norm.eps_place, nn::eps_place);
  v.later("norm_gain", c.norm.gain);
  v.later("norm_bias", c.norm.bias);
  v.later("norm_unit_offset", c.norm.unit_offset);
  v.later("norm_partial", c.norm.partial);
  v.later("norm_alpha", c.norm.alpha);
  v.later("embedding_norm", c.embedding_norm);
  v.later("experts", c.mixture.experts);
  v.later("experts_per_token", c.mixture.per_token);
  v.later("balance", c.mixture.balance);
  v.later("rotary_fraction", c.rotary_fraction);
  v.later("rotary_layout", c.rotary_layout, nn::rotary_layout);
  v.later("relative_buckets", c.relative_buckets);
  v.later("relative_max_distance", c.relative_max_distance);
  v.later("attention_scale", c.attention_scale);
}
void visit(auto&& v, Recipe& r) {
  v("steps", r.steps);
  v("batch", r.batch);
  v("accumulate", r.accumulate);
  v("optimizer", r.optimizer, optimizer_kind);
  v("lr", r.lr);
  v("min_lr", r.min_lr);
  v("schedule", r.schedule, schedule_kind);
  v("warmup", r.warmup);
  v("beta1", r.beta1);
  v("beta2", r.beta2);
  v.later("eps", r.eps);
  v("weight_decay", r.weight_decay);
  v.later("decay", r.decay, decay_kind);
  v.later("bias_correction", r.bias_correction);
  v.later("ema", r.ema);
  v("clip", r.clip);
  v("seed", r.seed);
  v("validation_windows", r.validation_windows);
  v.later("precision", r.precision, precision);
}
void visit(auto&& v, Reporting& r) {
  v("log_every", r.log_every);
  v("eval_every", r.eval_every);
  v("save_every", r.save_every);
  v.later("watch_every", r.watch_every);
}
void visit(auto&& v, TextInfo& t) {
  v("path", t.path);
  v("characters", t.characters);
  v("fingerprint", t.fingerprint);
}

class Writer {
 public:
  template <class Value>
  void operator()(const char* key, const Value& value) {
    json[key] = value;
  }
  void operator()(const char* key, const std::optional<bool>& value) { json[key] = value ? Json(*value) : Json(); }
  template <class Enum, class Parse>
  void operator()(const char* key, const Enum& value, const Parse&) {
    using nn::name_of;  // of enumerations of core, too
    json[key] = name_of(value);
  }
  void later(const char* key, const auto&... value) { (*this)(key, value...); }
  Json json = Json::object();
};

template <class Section>
Json section_json(Section section) {
  Writer writer;
  visit(writer, section);
  return writer.json;
}

class Reader {
 public:
  Reader(const Json& json, const std::string& source, std::string section)
      : json_(json), source_(source), section_(std::move(section)) {}

  template <class Value>
  void operator()(const char* key, Value& value) {
    const Json& entry = take(key);
    if constexpr (std::is_same_v<Value, bool>) {
      need(entry.is_boolean(), key, "true or false");
    } else if constexpr (std::is_same_v<Value, uint64_t>) {
      need(entry.is_number_unsigned(), key, "a whole number of at least 0");
    } else if constexpr (std::is_same_v<Value, int64_t>) {
      const bool too_large = entry.is_number_unsigned() && entry.get<uint64_t>() > uint64_t{INT64_MAX};
      need(entry.is_number_integer() && !too_large, key, "a whole number");
    } else if constexpr (std::is_same_v<Value, double>) {
      need(entry.is_number(), key, "a number");
    } else {
      need(entry.is_string(), key, "a text");
    }
    value = entry.get<Value>();
  }
  void operator()(const char* key, std::optional<bool>& value) {
    const Json& entry = take(key);
    need(entry.is_boolean() || entry.is_null(), key, "true, false or null");
    value = entry.is_null() ? std::optional<bool>() : entry.get<bool>();
  }
  template <class Enum, class Parse>
  void operator()(const char* key, Enum& value, const Parse& parse) {
    std::string name;
    (*this)(key, name);
    try {
      value = parse(name);
    } catch (const Error& error) {
      fail(fmt::format("{}: {}", key, error.what()));
    }
  }
  void later(const char* key, auto&&... value) {
    if (json_.contains(key)) (*this)(key, value...);
  }
  void finish() const {
    for (const auto& [key, value] : json_.items()) {
      if (!known_.contains(key)) fail(fmt::format("there is an unknown entry \"{}\"", key));
    }
  }

 private:
  const Json& take(const char* key) {
    known_.insert(key);
    const auto found = json_.find(key);
    if (found == json_.end()) fail(fmt::format("the entry \"{}\" is missing", key));
    return *found;
  }
  void need(bool holds, const char* key, const char* rule) const {
    if (!holds) fail(fmt::format("\"{}\" must be {}", key, rule));
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(str(source_, ", section \"", section_, "\": ", why));
  }

  const Json& json_;
  const std::string& source_;
  std::string section_;
  std::set<std::string> known_;
};

template <class Section>
void read_section(const Json& json, const std::string& source, const char* name, Section& section) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object()) throw Error(str(source, ": the section \"", name, "\" is missing"));
  Reader reader(*found, source, name);
  visit(reader, section);
  reader.finish();
}

// Numbers that an optimizer keeps for each parameter, at least.
double averages(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::SGD:
    case OptimizerKind::Adafactor:
      return 0;
    case OptimizerKind::Lion:
    case OptimizerKind::Muon:
      return 1;
    default:
      return 2;
  }
}

// Bytes for values, gradients and averages, and for what a step keeps for its backward pass. Somewhat too few, so that
// nothing that would work is refused: pairs may be far shorter than the context, so that theirs count nothing.
double least_memory(const RunConfig& config) {
  const nn::ModelConfig& c = config.model;
  const Recipe& r = config.recipe;
  const auto width = static_cast<double>(c.width);
  const auto layers = static_cast<double>(c.layers + c.decoder_layers);
  const auto hidden = static_cast<double>(c.hidden > 0 ? c.hidden : nn::default_hidden(c.activation, c.width));
  const double rows = static_cast<double>(c.vocab + (nn::adds_to_embedding(c.positions) ? c.context : 0));
  const double networks = static_cast<double>(std::max<int64_t>(c.mixture.experts, 1));
  const double parameters = layers * (4 * width * width + networks * 2 * width * hidden + 64) + rows * width;
  const double kept = layers * (c.recompute ? width : 6 * width + hidden) + static_cast<double>(c.vocab);
  const double copies = 2 + averages(r.optimizer) + (r.ema > 0 ? 1 : 0);
  const double tokens =
      learns_pairs(config.architecture) ? 0 : static_cast<double>(r.batch) * static_cast<double>(c.context);
  return sizeof(real) * (copies * parameters + tokens * kept);
}

void require_memory(const RunConfig& config) {
  const nn::ModelConfig& c = config.model;
  const double needed = least_memory(config);
  const double present = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (present > 0 && needed > present) {
    const std::string decoder = c.decoder_layers > 0 ? fmt::format("decoder_layers {}, ", c.decoder_layers) : "";
    const std::string experts = c.mixture.experts > 0 ? fmt::format("experts {}, ", c.mixture.experts) : "";
    throw Error(fmt::format(
        "layers {}, {}{}width {}, batch {} and context {} need at least {:.0f} GiB of memory, this machine has {:.0f}: "
        "make one of these smaller",
        c.layers, decoder, experts, c.width, config.recipe.batch, c.context, needed / (1 << 30), present / (1 << 30)));
  }
}

void require_positive(const char* field, int64_t value) {
  if (value < 1) throw Error(str(field, " must be at least 1, it is ", value));
}

void check_model(const RunConfig& config) {
  // Larger sizes are mistakes, and products of these still fit 64 bits.
  constexpr int64_t most = 1'000'000'000;
  const nn::ModelConfig& m = config.model;
  const std::pair<const char*, int64_t> sizes[] = {{"context", m.context},
                                                   {"layers", m.layers},
                                                   {"decoder_layers", m.decoder_layers},
                                                   {"heads", m.heads},
                                                   {"width", m.width},
                                                   {"hidden", m.hidden},
                                                   {"vocab", m.vocab},
                                                   {"experts", m.mixture.experts},
                                                   {"relative_buckets", m.relative_buckets}};
  for (const auto& [field, value] : sizes) {
    if (value > most) throw Error(str(field, " must be at most ", most, ", it is ", value));
  }
  if (!(m.norm.eps >= 0)) throw Error(str("norm_eps must be at least 0, it is ", m.norm.eps));
  if (!(m.rotary_base > 0)) throw Error(str("rotary_base must be above 0, it is ", m.rotary_base));
}

void check_reporting(const Reporting& r) {
  require_positive("log-every", r.log_every);
  require_positive("eval-every", r.eval_every);
  require_positive("save-every", r.save_every);
  if (r.watch_every < 0) throw Error(str("watch must be at least 0, it is ", r.watch_every));
}

// What keeps a model from being built, found without building more of it than the block that is returned.
nn::Block check_buildable(const RunConfig& config) {
  nn::check(config.model, config.architecture);
  const nn::Depth depth = config.architecture == nn::Architecture::EncoderDecoder ? nn::Depth::decoder_of(1, 1)
                          : config.architecture == nn::Architecture::EncoderOnly  ? nn::Depth::encoder_only(1)
                                                                                  : nn::Depth::decoder_only(1);
  return nn::Block(config.model, depth, 0, "blocks.0");
}

// Runs `check`; its error is about this section of `source`.
void check_section(const std::string& source, const char* section, const auto& check) {
  try {
    check();
  } catch (const Error& error) {
    throw Error(str(source, ", section \"", section, "\": ", error.what()));
  }
}

}  // namespace

void check(const RunConfig& config) {
  check_model(config);
  check(config.recipe);
  require_memory(config);
  check_reporting(config.reporting);
}

void check_settings(RunConfig config) {
  config.model.vocab = 1;
  check(config);
  const nn::Block block = check_buildable(config);
  make_optimizer(config.recipe, nn::parameters(block));
}

std::string fingerprint(std::u32string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char32_t c : text) {
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ (c >> shift & 0xFF)) * 0x100000001B3;
  }
  return fmt::format("{:016x}", hash);
}

std::string to_json(const RunConfig& config) {
  const Json json = {{"format", "tapeformer run 1"},
                     {"architecture", name_of(config.architecture)},
                     {"model", section_json(config.model)},
                     {"training", section_json(config.recipe)},
                     {"reporting", section_json(config.reporting)},
                     {"text", section_json(config.text)}};
  // A path may be any bytes; those that are not UTF-8 are replaced rather than refused.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

RunConfig run_config(std::string_view text, const std::string& source) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw Error(str(source, " is not valid JSON: it breaks off or is damaged at byte ", error.byte,
                    ": put a whole copy in its place, or train anew"));
  } catch (const nlohmann::json::exception& error) {
    throw Error(str(source, " is not valid JSON: ", error.what()));
  }
  if (!json.is_object() || json.value("format", Json()) != "tapeformer run 1") {
    throw Error(str(source, " is not the config.json of a run: \"format\" must be \"tapeformer run 1\""));
  }
  RunConfig config;
  if (json.contains("architecture")) {
    const Json& name = json["architecture"];
    try {
      config.architecture = architecture(name.is_string() ? name.get<std::string>() : name.dump());
    } catch (const Error& error) {
      throw Error(str(source, ": ", error.what()));
    }
  }
  read_section(json, source, "model", config.model);
  read_section(json, source, "training", config.recipe);
  read_section(json, source, "reporting", config.reporting);
  read_section(json, source, "text", config.text);
  check_section(source, "model", [&] { check_model(config); });
  check_section(source, "training", [&] { make_schedule(config.recipe); });
  check_section(source, "reporting", [&] { check_reporting(config.reporting); });
  check_section(source, "model", [&] {
    require_memory(config);
    check_buildable(config);
  });
  return config;
}

void save_config(const std::string& path, const RunConfig& config) {
  atomic_write_file(path, to_json(config));
}

RunConfig load_config(const std::string& path) {
  return run_config(read_file(path), path);
}

}  // namespace tape::inline TAPE_ABI::tool
