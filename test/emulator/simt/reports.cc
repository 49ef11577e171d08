#include "test/emulator/simt/reports.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace simt {

namespace {

constexpr int kKeptOfEachKind = 8;

std::mutex reports_mutex;
std::vector<Report> kept;
std::size_t total = 0;

} // namespace

const char* report_kind_name(ReportKind kind) {
  static const char* const kNames[] = {
      "deadlock",
      "no-progress",
      "divergent-barrier",
      "barrier-after-exit",
      "divergent-collective",
      "collective-exited-lane",
      "collective-mask",
      "shuffle-inactive-lane",
      "global-out-of-bounds",
      "shared-out-of-bounds",
      "unregistered-address",
      "foreign-stack",
      "uninitialised-shared",
      "uninitialised-global",
      "shared-race",
      "global-race",
      "misaligned",
      "shared-after-exit",
      "runtime-misuse",
      "stream-race",
  };
  return kNames[static_cast<int>(kind)];
}

void report(ReportKind kind, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const std::lock_guard<std::mutex> lock(reports_mutex);
  ++total;
  int of_this_kind = 0;
  for (const Report& other : kept) {
    if (other.kind != kind) continue;
    if (other.text == text || ++of_this_kind == kKeptOfEachKind) return;
  }
  kept.push_back({kind, text});
}

std::vector<Report> reports() {
  const std::lock_guard<std::mutex> lock(reports_mutex);
  return kept;
}

std::size_t report_count() {
  const std::lock_guard<std::mutex> lock(reports_mutex);
  return total;
}

void clear_reports() {
  const std::lock_guard<std::mutex> lock(reports_mutex);
  kept.clear();
  total = 0;
}

} // namespace simt
