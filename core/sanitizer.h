// Whether this is compiled for a sanitizer that watches memory.
#pragma once

namespace tape {

#ifdef __SANITIZE_ADDRESS__
constexpr bool sanitizer_sees_memory = true;
#elif defined(__has_feature)
constexpr bool sanitizer_sees_memory = __has_feature(address_sanitizer);
#else
constexpr bool sanitizer_sees_memory = false;
#endif

}  // namespace tape
