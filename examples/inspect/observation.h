// What can be seen in a model while it reads one row: the attention of every layer and head, the size of what flows
// between layers, how busy the feed-forward networks are, and what it predicts.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/inspect/input.h>
#include <tape/examples/support/model.h>

namespace tape::inline TAPE_ABI::inspect {

/// One attention of one layer.
struct AttentionView {
  int64_t layer = 0;
  Tensor pattern;  ///< (H, T, S): probabilities; zeros where a key is hidden
  Tensor entropy;  ///< (H, T), in nats
};

/// A number for each token at several places, such as layers: values[place][token].
struct TokenTable {
  std::vector<std::string> places = {};
  std::vector<std::vector<double>> values = {};
};

/// The dimension of a stream that sticks out at a place.
struct Outlier {
  std::string place;
  int64_t dimension = 0;  ///< with the largest mean over tokens of |x|/RMS(x)
  double mean = 0;        ///< that mean
  double largest = 0;     ///< max over tokens and all dimensions of |x|/RMS(x), at most √C
};

/// Everything seen of one stack of layers. Places are "embedding" and the numbers of layers from 0, for norms the names
/// of their taps.
struct StackView {
  enum class Kind { only, encoder, decoder };
  Kind kind = Kind::only;
  std::vector<std::string> tokens = {};   ///< that it reads
  std::vector<std::string> memory = {};   ///< that its cross attention reads
  std::vector<AttentionView> self = {};   ///< of all layers
  std::vector<AttentionView> cross = {};  ///< decoder only
  TokenTable stream = {};                 ///< RMS over columns of the residual stream after each layer
  TokenTable norms = {};                  ///< RMS of what each norm gives
  TokenTable active = {};                 ///< share of hidden units whose activation function sees a number above 0
  TokenTable peak = {};                   ///< max |x| over hidden units, as the last projection reads them
  std::vector<Outlier> outliers = {};     ///< at the places of `stream`
};

struct Candidate {
  std::string token;
  double probability = 0;
};
struct Prediction {
  std::string expected;               ///< empty when nothing is
  double loss = 0;                    ///< -ln p(expected), NaN when nothing is
  std::vector<Candidate> candidates;  ///< the likeliest three, or all of a smaller vocabulary
};

struct Observation {
  std::vector<StackView> stacks;        ///< encoder first
  std::vector<Prediction> predictions;  ///< for each token of the last stack
};

/// Runs the model once, in evaluation. Throws Error for scores that are not finite.
Observation observe(const tool::SavedRun& run, const tool::Model& model, const Input& input);

}  // namespace tape::inline TAPE_ABI::inspect
