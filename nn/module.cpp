#include <tape/nn/module.h>

#include <algorithm>
#include <iomanip>
#include <set>
#include <sstream>

#include <tape/core/name_list.h>
#include <tape/core/pattern.h>
#include <tape/core/safetensors.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

std::string bytes_text(double bytes) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1);
  if (bytes >= 1 << 20) {
    out << bytes / (1 << 20) << " MiB";
  } else {
    out << bytes / (1 << 10) << " KiB";
  }
  return out.str();
}

std::string listed(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  return str("\n  ", what, ": ", first_names(names));
}

// Throws one Error that names everything that does not fit between `list` and (name, shape) of `given`.
void need_same_structure(const std::string& source, const std::vector<std::pair<std::string, Shape>>& given,
                         const ParameterList& list) {
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::vector<std::string> mismatched;
  for (const LeafPtr& leaf : list) {
    const auto found = std::ranges::find(given, leaf->name, &std::pair<std::string, Shape>::first);
    if (found == given.end()) {
      missing.push_back(leaf->name);
    } else if (found->second != leaf->shape) {
      mismatched.push_back(str(leaf->name, " is ", found->second, ", must be ", leaf->shape));
    }
  }
  std::set<std::string> wanted;
  for (const LeafPtr& leaf : list) wanted.insert(leaf->name);
  for (const auto& [name, shape] : given) {
    if (!wanted.contains(name)) extra.push_back(name);
  }
  if (missing.empty() && extra.empty() && mismatched.empty()) return;
  throw Error(str(source, " does not fit this model", listed("missing", missing), listed("not in the model", extra),
                  listed("other shape", mismatched)));
}

}  // namespace

int64_t count(const ParameterList& list) {
  int64_t total = 0;
  for (const LeafPtr& leaf : list) total += leaf->size();
  return total;
}

std::string describe(const ParameterList& list) {
  std::size_t name_width = 4;
  for (const LeafPtr& leaf : list) name_width = std::max(name_width, leaf->name.size());
  std::ostringstream out;
  for (const LeafPtr& leaf : list) {
    out << std::left << std::setw(static_cast<int>(name_width) + 2) << leaf->name << std::setw(20) << str(leaf->shape)
        << std::right << std::setw(12) << leaf->size() << std::setw(12)
        << bytes_text(static_cast<double>(leaf->size()) * sizeof(real)) << (leaf->decay ? "" : "  no decay")
        << (leaf->frozen ? "  frozen" : "") << '\n';
  }
  const int64_t total = count(list);
  out << std::left << std::setw(static_cast<int>(name_width) + 22) << str("total of ", list.size(), " tensors")
      << std::right << std::setw(12) << total << std::setw(12) << bytes_text(static_cast<double>(total) * sizeof(real))
      << '\n';
  return out.str();
}

int64_t freeze(const ParameterList& list, std::string_view pattern, bool frozen) {
  int64_t matched = 0;
  for (const LeafPtr& leaf : list) {
    if (!matches_pattern(leaf->name, pattern)) continue;
    leaf->frozen = frozen;
    ++matched;
  }
  if (matched == 0) throw Error(str("freeze: no parameter matches \"", pattern, "\"; describe(model) lists the names"));
  return matched;
}

void set_precision(const ParameterList& list, Precision precision) {
  check(precision);
  for (const LeafPtr& leaf : list) leaf->precision = leaf->keep_f32 ? Precision::f32 : precision;
}

void save(const std::string& path, const ParameterList& list) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const LeafPtr& leaf : list) {
    if (!leaf->initialized) {
      throw Error(str("save: parameter ", leaf->name, " ", leaf->shape,
                      " has no values yet: call nn::initialize(module, Seed{…}) first; ", path, " is not written"));
    }
    tensors.emplace_back(leaf->name, Tensor::on(leaf->shape, leaf->value));
  }
  save_safetensors(path, tensors, {{"format", "pt"}});
}

void load(const std::string& path, const ParameterList& list) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::vector<std::pair<std::string, Shape>> given;
  for (const std::string& name : file.names()) given.emplace_back(name, file.info(name).shape());
  need_same_structure(path, given, list);
  std::vector<Tensor> values;  // everything is read before anything changes
  for (const LeafPtr& leaf : list) values.push_back(file.read(leaf->name));
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::ranges::copy(values[i].values(), list[i]->data());
    list[i]->initialized = true;
  }
}

void copy_values(const ParameterList& from, const ParameterList& to) {
  std::vector<std::pair<std::string, Shape>> given;
  for (const LeafPtr& leaf : from) given.emplace_back(leaf->name, leaf->shape);
  need_same_structure("copy_values: the source", given, to);
  for (const LeafPtr& target : to) {
    const auto has_name = [&](const LeafPtr& leaf) { return leaf->name == target->name; };
    const LeafPtr& source = *std::ranges::find_if(from, has_name);
    std::copy_n(source->data(), source->size(), target->data());
    target->initialized = source->initialized;
  }
}

void Census::compare(std::string_view what, int64_t owned, int64_t named) {
  if (owned != named) {
    throw Error(str(what, " owns ", owned, " parameters, but visit() named ", named, ": name each member in visit()"));
  }
}

}  // namespace tape::inline TAPE_ABI::nn
