#include "measure.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

#include <tape/core/gemm.h>
#include <tape/core/onednn.h>
#include <tape/core/parallel.h>

namespace bench {

double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts in KiB
}

Machine machine() {
  std::string processor = "unknown processor";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) {
      processor = line.substr(line.find(':') + 2);
      break;
    }
  }
#ifdef __clang__
  const char* compiler = "clang " __clang_version__;
#else
  const char* compiler = "gcc " __VERSION__;
#endif
  return {compiler, processor, tape::blas_info().description, tape::onednn::description(), tape::threads()};
}

}  // namespace bench
