// The table of schemes: one row each, and the names.
#include <array>

#include <tape/core/error.h>
#include <tape/nn/names.h>
#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<SchemeInfo, 19> table{{
    {Scheme::PostLN, "post", "Post-LN", "norm(x + f(x))", "none", false, false, true,
     "Vaswani et al. 2017, arXiv 1706.03762, section 3.1", ""},
    {Scheme::PreLN, "pre", "Pre-LN", "x + f(norm(x))", "none", false, true, false,
     "Xiong et al. 2020, arXiv 2002.04745, table 1", "first values of GPT-2"},
    {Scheme::DeepNorm, "deepnorm", "DeepNorm", "norm(α·x + f(x))",
     "α = (2L)^¼, β = (8L)^-¼; encoder-decoder: α = (N⁴M/27)^(1/16), β = (N⁴M/27)^(-1/16)/√2 | α = (3M)^¼, β = "
     "(12M)^-¼",
     false, false, true, "Wang et al. 2022, arXiv 2203.00555, section 4.1",
     "β on feed-forward, value and output weights, also of cross attention; exact forms of the paper's 0.81 and 0.87"},
    {Scheme::DeepNormArticle, "deepnorm-article", "DeepNorm as the article has it", "norm(x + α·f(x))",
     "α = 1.0 in encoders, 0.8 in decoders; β = 0.2 in encoder-only models, 0.1 in others", false, false, true,
     "the article this project starts from",
     "not the paper's: α is on the branch, constants ignore the depth, β is on all weights"},
    {Scheme::SandwichLN, "sandwich", "Sandwich-LN", "x + norm(f(norm(x)))", "none", false, true, false,
     "Ding et al. 2021 (CogView), arXiv 2105.13290, section 2.4", "with rms it is Gemma-2's placement"},
    {Scheme::PeriLN, "peri", "Peri-LN", "x + norm(f(norm(x)))", "none", true, true, false,
     "Kim et al. 2025, arXiv 2502.02732", "with the norm of the embedding that the paper calls optional"},
    {Scheme::SubLN, "sub-ln", "Sub-LN (Magneto)", "x + W·norm(h(norm(x))), W the branch's last projection",
     "β = √ln 2L; encoder-decoder: √(ln 3M · ln 2N/3) | √ln 3M", false, true, true,
     "Wang et al. 2022, arXiv 2210.06423, section 3",
     "cross attention has no inner norm and keeps β = 1, as in the paper"},
    {Scheme::NormFormer, "normformer", "NormFormer", "x + norm(scaled heads(norm(x))); x + W·norm(h(norm(x)))", "none",
     false, true, false, "Shleifer et al. 2021, arXiv 2110.09456, section 2",
     "without the learned residual gain that the paper uses in its smallest models only"},
    {Scheme::OLMo2, "olmo2", "OLMo-2", "x + norm(f(x))", "none", false, true, false,
     "OLMo et al. 2025, arXiv 2501.00656, section 3.2",
     "with its norm of queries and keys over the full width; first values without GPT-2's 1/√(2L), as in the paper"},
    {Scheme::Admin, "admin", "Admin", "norm(ω ⊙ x + f(x)), ω learned", "ω starts at √((n+1)/ln(n+1) - 1), n steps",
     false, false, true, "Liu et al. 2020, arXiv 2004.08249; closed form of the authors' admin-torch",
     "n = 2L, and 3M in a decoder with cross attention; no profiling pass"},
    {Scheme::MixLN, "mix-ln", "Mix-LN", "norm(x + f(x)) in the first ⌊L/4⌋ blocks, then x + f(norm(x))", "none", false,
     true, false, "Li et al. 2024, arXiv 2412.13795, section 4",
     "at least one block is Post-LN; first values without GPT-2's 1/√(2L), as in the authors' program"},
    {Scheme::LayerNormScaling, "lns", "LayerNorm Scaling", "x + f(norm(x)/√l), l = 1, 2, …", "none", false, true, false,
     "Sun et al. 2025, arXiv 2502.05795, section 4", "first values without GPT-2's 1/√(2L), as the authors ask"},
    {Scheme::HybridNorm, "hybrid", "HybridNorm", "y = x + attention of normed q, k, v; norm(y) + f(norm(y))", "none",
     false, true, false, "Zhuo et al. 2025, arXiv 2503.04598, section 3",
     "norms of each head; the first block is like all others; a final norm"},
    {Scheme::KEEL, "keel", "KEEL", "norm(α·x + f(norm(x)))", "α = n, the number of residual steps", false, false, false,
     "Chen & Wei 2026, arXiv 2601.19895",
     "norms have no bias; the first attention has no norm of the sum, the first block has α = 1; first values without "
     "GPT-2's 1/√(2L): the paper asks for none that depend on the depth"},
    {Scheme::ResiDual, "resi-dual", "ResiDual", "norm(x + f(x)) beside s + f(x), in the end x + norm(s)", "none", false,
     true, true, "Xie et al. 2023, arXiv 2304.14802, section 3", ""},
    {Scheme::LayerScale, "layerscale", "LayerScale", "x + λ ⊙ f(norm(x)), λ learned",
     "λ starts at 0.1, deeper than 18 blocks at 1e-5, deeper than 24 at 1e-6", false, true, false,
     "Touvron et al. 2021 (CaiT), arXiv 2103.17239, section 2", ""},
    {Scheme::ReZero, "rezero", "ReZero", "x + α·f(x), α learned", "α starts at 0", false, false, true,
     "Bachlechner et al. 2020, arXiv 2003.04887, section 3",
     "one α for each residual step; the authors' program has one for a block. No norms"},
    {Scheme::Parallel, "parallel", "Parallel", "x + attention(norm(x)) + f(norm(x))", "none", false, true, false,
     "Wang & Komatsuzaki 2021 (GPT-J); Falcon-7B",
     "one norm for both; with cross attention all three branches are parallel"},
    {Scheme::TFixup, "t-fixup", "T-Fixup", "x + f(x)",
     "β = 0.67·L^-¼, with cross attention (9M)^-¼; embeddings (9L)^-¼", false, false, true,
     "Huang et al. 2020, ICML, section 3.3",
     "no norms; the paper is about encoder-decoder models: single stacks take the encoder's β"},
}};

}  // namespace

std::span<const SchemeInfo> scheme_table() {
  return table;
}

const SchemeInfo& scheme_info(Scheme scheme) {
  for (const SchemeInfo& row : table) {
    if (row.scheme == scheme) return row;
  }
  throw Error("scheme_info: this scheme has no row in the table");
}

std::string_view name_of(Scheme scheme) {
  return scheme_info(scheme).name;
}

Scheme scheme(std::string_view name) {
  return find_value("scheme", name, table, &SchemeInfo::scheme);
}

}  // namespace tape::inline TAPE_ABI::nn
