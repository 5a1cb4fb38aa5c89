// Statements of the article about who did what and who uses what: no experiment can judge these.
#include <tape/examples/lab/report.h>

namespace tape::inline TAPE_ABI::lab {

const std::vector<Statement>& unmeasured_statements() {
  static const std::vector<Statement> all{
      {{"Large models of today use three kinds of normalisation: LayerNorm, RMSNorm and DeepNorm.",
        "当前主流大模型使用的 Normalization 主要有三类：Layer Norm、RMS Norm、Deep Norm。"},
       {"These answer two questions: LayerNorm and RMSNorm say which statistic a row is divided by, DeepNorm where a "
        "norm "
        "stands and how skip and weights are scaled; DeepNorm's own statistic is LayerNorm (Wang et al. 2022, arXiv "
        "2203.00555, section 4.1). Of known large models GLM-130B uses it, with other constants.",
        "三者回答的是两个问题：LayerNorm 与 RMSNorm 是用什么统计量归一化；DeepNorm "
        "是归一化放在哪里、跳跃连接与权重如何缩放，它用的统计量仍是 LayerNorm（Wang 等 2022，arXiv 2203.00555，第 4.1 "
        "节）。已知的大模型中 GLM-130B 使用它，但常数不同。"}},
      {{"Transformers converge slowly.", "Transformer 优化过程收敛速度慢。"},
       {"Xiong et al. 2020 (section 4) say it of Post-LN with its warm-up: on IWSLT-14 Pre-LN is after 9 epochs where "
        "Post-LN is after 15.",
        "Xiong 等 2020（第 4 节）指的是带预热的 Post-LN：在 IWSLT-14 上，Pre-LN 第 9 轮相当于 Post-LN 第 15 轮。"}},
      {{"After much tuning Post-LN sometimes reaches the best result.",
        "Post-LN 经过大量调整有时能达到较好的最佳结果。"},
       {"The DeepNet paper agrees: where Post-LN converges, Pre-LN is 0.5 to 1.0 BLEU behind (Wang et al. 2022, "
        "section "
        "5). Differences of that kind can not be seen in minutes on a CPU.",
        "DeepNet 论文与此一致：在 Post-LN 能收敛时，Pre-LN 低 0.5~1.0 BLEU（Wang 等 2022，第 5 节）。这类差别无法用 "
        "CPU "
        "上几分钟的训练看出。"}},
      {{"β scales the first weights of attention and feed-forward.", "β 乘在 Attention、FFN 等的初始化权重上。"},
       {"Not on all of attention: on feed-forward, value and output weights; queries and keys keep gain 1 (Wang et al. "
        "2022, section 4.1). The experiment deepnorm-constants has the article's way as one of its variants.",
        "并非注意力的全部权重：只用于前馈、value 与输出权重，query 与 key 的增益仍为 1（Wang 等 2022，第 4.1 "
        "节）。实验 "
        "deepnorm-constants 含有文章的做法。"}},
      {{"RMSNorm has ε inside the root and no bias.", "RMSNorm：RMS = √(mean(x²) + ε)，没有 β。"},
       {"The paper's formula has no ε (Zhang & Sennrich 2019, equation 4) and keeps a bias behind the norm (equation "
        "5); "
        "its PyTorch program adds ε outside of the root, LLaMA's inside.",
        "论文公式没有 ε（Zhang 与 Sennrich 2019，式 4），归一化之后仍有偏置（式 5）；其 PyTorch 程序把 ε 加在根号之外，"
        "LLaMA 则在根号之内。"}},
      {{"Xiong et al. proposed two placements of LayerNorm.",
        "论文《On Layer Normalization in the Transformer "
        "Architecture》提出了两种 Layer Normalization 方式。"},
       {"They compare them. Post-LN is Vaswani et al. 2017; Pre-LN is credited to Baevski & Auli 2018, Child et al. "
        "2019 "
        "and Wang et al. 2019 (Xiong et al. 2020, arXiv 2002.04745, sections 1 and 2).",
        "该文是对二者作比较。Post-LN 来自 Vaswani 等 2017；Pre-LN 该文归功于 Baevski 与 Auli 2018、Child 等 2019、Wang "
        "等 "
        "2019（Xiong 等 2020，arXiv 2002.04745，第 1、2 节）。"}},
      {{"Pre-LN is x + SubLayer(LayerNorm(x)).", "Pre-LN 即 x + SubLayer(LayerNorm(x))。"},
       {"Incomplete: Pre-LN has one more norm before the output head, and the 1/√L of its gradients depends on it "
        "(Xiong "
        "et al. 2020, table 1).",
        "不完整：Pre-LN 在输出层之前还有一个最终的归一化，其梯度的 1/√L 规律依赖于它（Xiong 等 2020，表 1）。"}},
      {{"Standard Transformers only reach about 32 layers.", "标准结构只能到约 32 层。"},
       {"The number 32 is not in the DeepNet paper: there Post-LN fails from 18 + 18 layers on one task and at 50 + 50 "
        "on "
        "another (arXiv 2203.00555, section 3). Where it ends here is in the experiment depth-limit.",
        "DeepNet 论文中没有 32 这个数：在一个任务上 Post-LN 从 18+18 层起失败，在另一个上是 50+50 层（arXiv "
        "2203.00555，第 3 "
        "节）。本机的界限见实验 depth-limit。"}},
      {{"DeepNorm clearly beats Post-LN and Pre-LN in translation and long texts and is standard for very deep models.",
        "DeepNorm 在机器翻译、长文本建模任务中显著优于 Post-LN 和 Pre-LN，成为“极深 Transformer”的标配方案之一。"},
       {"The paper's first version has machine translation only. A known user is GLM-130B, with other constants. Final "
        "quality of large models can not be judged from minutes on a CPU.",
        "论文第一版只有机器翻译实验。已知的使用者是 GLM-130B，但所用常数不同。大模型的最终质量无法用 CPU "
        "上几分钟的训练来判断。"}},
      {{"GPT-2, GPT-3 and ViT use Pre-LN; LLaMA, Mistral and Mixtral use RMSNorm, Falcon LayerNorm; many "
        "re-implementations of Falcon use RMSNorm.",
        "GPT-2、GPT-3、ViT 采用 Pre-LN；LLaMA、Mistral、Mixtral 使用 RMSNorm，Falcon 使用 LayerNorm，但很多复现版改用 "
        "RMSNorm。"},
       {"Right but for the last part, for which there is no source. GPT-3 and LLaMA warm up nevertheless: over 375 "
        "million tokens and 2,000 steps.",
        "除最后一点没有出处外都正确。不过 GPT-3 和 LLaMA 仍然使用预热：分别为 3.75 亿个 token 和 2000 步。"}},
      {{"RMSNorm divides by the standard deviation.", "RMSNorm：去掉减均值，只除以标准差。"},
       {"It divides by the root mean square, which is the standard deviation only where the mean is 0 (Zhang & "
        "Sennrich "
        "2019, arXiv 1910.07467, equation 4).",
        "RMSNorm 除以的是均方根，只有均值为 0 时才等于标准差（Zhang 与 Sennrich 2019，arXiv 1910.07467，式 4）。"}},
  };
  return all;
}

}  // namespace tape::inline TAPE_ABI::lab
