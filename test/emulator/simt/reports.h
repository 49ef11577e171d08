// What the detectors found. A test reads the list after a launch; an empty list means that nothing was found.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace simt {

// The names are those of kReportKindNames, in order.
enum class ReportKind {
  kDeadlock,
  kNoProgress,
  kDivergentBarrier,
  kBarrierAfterExit,
  kDivergentCollective,
  kCollectiveExitedLane,
  kCollectiveMask,
  kShuffleInactiveLane,
  kGlobalOutOfBounds,
  kSharedOutOfBounds,
  kUnregisteredAddress,
  kForeignStack,
  kUninitialisedShared,
  kUninitialisedGlobal,
  kSharedRace,
  kGlobalRace,
  kMisaligned,
  kSharedAfterExit,
  kRuntimeMisuse,
  kStreamRace,
};
const char* report_kind_name(ReportKind kind);

struct Report {
  ReportKind kind;
  std::string text;
};

// Keeps the report unless an equal one is there, or enough of its kind.
void report(ReportKind kind, const char* format, ...) __attribute__((format(printf, 2, 3)));

// A copy of what has been kept, and how many reports there were in all.
std::vector<Report> reports();
std::size_t report_count();
void clear_reports();

} // namespace simt
