# Finds oneDNN, whose matrix products are faster than OpenBLAS's on many processors, and which has those of bf16. It is
# looked for by its files: its own CMake package asks for parts that products do not need. A build that brings a thread
# pool of its own is refused: matrix products are called from our OpenMP threads.
#
# Defines the target tape::onednn. Set CMAKE_PREFIX_PATH to choose an installation by hand.

find_library(TAPE_ONEDNN_LIBRARY NAMES dnnl)
find_path(TAPE_ONEDNN_INCLUDE NAMES oneapi/dnnl/dnnl.hpp)

if(TAPE_ONEDNN_INCLUDE)
  file(STRINGS ${TAPE_ONEDNN_INCLUDE}/oneapi/dnnl/dnnl_config.h _runtime
    REGEX "^#define DNNL_CPU_THREADING_RUNTIME DNNL_RUNTIME_(OMP|SEQ)$")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TapeOneDNN
  REQUIRED_VARS TAPE_ONEDNN_LIBRARY TAPE_ONEDNN_INCLUDE _runtime
  REASON_FAILURE_MESSAGE "a build for OpenMP is needed, on Debian or Ubuntu: apt-get install libdnnl-dev")

if(TapeOneDNN_FOUND AND NOT TARGET tape::onednn)
  add_library(tape::onednn UNKNOWN IMPORTED)
  set_target_properties(tape::onednn PROPERTIES
    IMPORTED_LOCATION ${TAPE_ONEDNN_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${TAPE_ONEDNN_INCLUDE})
endif()
mark_as_advanced(TAPE_ONEDNN_LIBRARY TAPE_ONEDNN_INCLUDE)
unset(_runtime)
