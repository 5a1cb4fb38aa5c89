// The main program of every test binary: Catch2's runner. Compiled apart, because version 2 takes long to compile it.
#include "catch.h"

int main(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
