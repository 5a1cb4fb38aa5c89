// Reading whole files, with messages for a person.
#pragma once

#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

/// The bytes of a regular file or a pipe. Throws Error that names the path when there is none, when it is a folder or a
/// device, and when it can not be read.
std::string read_file(const std::string& path);

}  // namespace tape::inline TAPE_ABI::tool
