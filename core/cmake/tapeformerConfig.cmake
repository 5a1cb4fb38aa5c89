# The installed package: find_package(tapeformer) gives tape::core, tape::nn and tape::optim.
include(CMakeFindDependencyMacro)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
find_dependency(OpenMP COMPONENTS CXX)
find_dependency(TapeOpenBLAS)
list(REMOVE_ITEM CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
include(${CMAKE_CURRENT_LIST_DIR}/tapeformerTargets.cmake)
