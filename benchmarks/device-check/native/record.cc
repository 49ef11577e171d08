#include "benchmarks/device-check/native/record.h"

#include <cmath>
#include <cstdio>

namespace fused_bear_loss::device_check {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

} // namespace

Record::Record(const char* kind) : line_("{\"kind\":" + quoted(kind)) {}

Record::~Record() {
  std::printf("%s}\n", line_.c_str());
  std::fflush(stdout);
}

Record& Record::add_raw(const char* name, const std::string& value) {
  line_ += "," + quoted(name) + ":" + value;
  return *this;
}

Record& Record::add(const char* name, const std::string& text) { return add_raw(name, quoted(text)); }

Record& Record::add(const char* name, double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", number);
  return add_raw(name, std::isfinite(number) ? text : "null");
}

Record& Record::add(const char* name, std::int64_t number) { return add_raw(name, std::to_string(number)); }

} // namespace fused_bear_loss::device_check
