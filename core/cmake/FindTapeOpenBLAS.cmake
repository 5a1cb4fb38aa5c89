# Finds OpenBLAS, the OpenMP build first: matrix products are called from our own OpenMP threads, beside which a BLAS with
# a thread pool of its own is much slower. The serial build comes last, although single-threaded products are all we ask
# for: it hands out its work buffers without a lock, so that products computed at the same time come out wrong now and
# then; gemm.cpp lets them wait for each other. All builds share one SONAME, so the chosen folder is linked by its full
# path, and CMake puts it into the RPATH of every program.
#
# Defines the target tape::openblas. Set TAPE_OPENBLAS_DIR to choose a folder by hand.

set(TAPE_OPENBLAS_DIR "" CACHE PATH "Folder with libopenblas to use instead of the search")
set(_folders ${TAPE_OPENBLAS_DIR})
foreach(_build openmp pthread serial)
  list(APPEND _folders /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-${_build})
endforeach()
list(APPEND _folders /usr/lib64/openblas-openmp)

find_library(TAPE_OPENBLAS_LIBRARY NAMES openblas PATHS ${_folders} NO_DEFAULT_PATH)
find_library(TAPE_OPENBLAS_LIBRARY NAMES openblas)
get_filename_component(_folder "${TAPE_OPENBLAS_LIBRARY}" DIRECTORY)
get_filename_component(_build "${_folder}" NAME)
find_path(TAPE_OPENBLAS_INCLUDE NAMES cblas.h
  PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/${_build} ${_folder}/../include NO_DEFAULT_PATH)
find_path(TAPE_OPENBLAS_INCLUDE NAMES cblas.h PATH_SUFFIXES openblas)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TapeOpenBLAS
  REQUIRED_VARS TAPE_OPENBLAS_LIBRARY TAPE_OPENBLAS_INCLUDE
  REASON_FAILURE_MESSAGE "on Debian or Ubuntu: apt-get install libopenblas-openmp-dev")

if(TapeOpenBLAS_FOUND AND NOT TARGET tape::openblas)
  if(_folder MATCHES "(pthread|serial)$")
    message(WARNING "Only the ${CMAKE_MATCH_1} build of OpenBLAS was found, which costs much speed beside our threads. "
      "On Debian or Ubuntu: apt-get install libopenblas-openmp-dev, then configure in a new build folder.")
  endif()
  add_library(tape::openblas UNKNOWN IMPORTED)
  set_target_properties(tape::openblas PROPERTIES
    IMPORTED_LOCATION ${TAPE_OPENBLAS_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${TAPE_OPENBLAS_INCLUDE})
endif()
mark_as_advanced(TAPE_OPENBLAS_LIBRARY TAPE_OPENBLAS_INCLUDE)
unset(_folders)
unset(_folder)
unset(_build)
