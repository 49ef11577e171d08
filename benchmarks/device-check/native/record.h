// What the program reports: one JSON object a line on stdout, so that whoever reads it has all lines that were written
// before a time limit ended the program. benchmarks/device-check/records.ts has the type of each kind.
#pragma once

#include <cstdint>
#include <string>

namespace fused_bear_loss::device_check {

class Record {
 public:
  explicit Record(const char* kind);
  // Writes the line.
  ~Record();
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;

  Record& add(const char* name, const std::string& text);
  Record& add(const char* name, const char* text) { return add(name, std::string(text)); }
  Record& add(const char* name, double number); // null where it is not finite
  Record& add(const char* name, std::int64_t number);
  Record& add(const char* name, int number) { return add(name, static_cast<std::int64_t>(number)); }
  Record& add(const char* name, std::size_t number) { return add(name, static_cast<std::int64_t>(number)); }

 private:
  Record& add_raw(const char* name, const std::string& value);
  std::string line_;
};

} // namespace fused_bear_loss::device_check
