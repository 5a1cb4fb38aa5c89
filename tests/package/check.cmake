# Installs into a new folder, moves that folder, builds a program against it and runs it; then configures the same
# program with the source tree as its subdirectory and compiles it.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "failed: ${command}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)  # a package must not know where it was installed

file(GLOB_RECURSE exported ${WORK}/prefix/*.cmake)
if(NOT exported)
  message(FATAL_ERROR "no CMake package was installed")
endif()
foreach(file ${exported})
  file(READ ${file} text)
  foreach(path ${SOURCE} ${BUILD} ${WORK})
    string(FIND "${text}" "${path}" place)
    if(NOT place EQUAL -1)
      message(FATAL_ERROR "${file} names the path ${path} of this machine")
    endif()
  endforeach()
endforeach()

set(configure ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_BUILD_TYPE=Release)
run(${configure} -B ${WORK}/consumer -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/consumer)
run(${WORK}/consumer/consumer)

run(${configure} -B ${WORK}/parent -D TAPE_SOURCE=${SOURCE})
run(${CMAKE_COMMAND} --build ${WORK}/parent --target consumer_object)
