// Catch2, version 3 or 2, whichever is installed: the one way in which tests include it.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;  // version 2 does this by itself
#else
#include <catch2/catch.hpp>
#endif
