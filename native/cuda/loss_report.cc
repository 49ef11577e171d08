#include "native/cuda/loss_report.h"

#include <vector>

#include "native/cuda/device_problem.h"
#include "native/cuda/transfers.h"

namespace fused_bear_loss::cuda {
namespace {

// Ascending, as the flags are in row order.
std::vector<std::int64_t> read_non_finite_rows(const Storage& workspace, std::int64_t rows) {
  const auto* const start = static_cast<const char*>(workspace.data());
  const auto* const flags_at = reinterpret_cast<const char*>(workspace_at(workspace.data(), rows).flags);
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(rows));
  download(workspace, static_cast<std::size_t>(flags_at - start), flags.data(), flags.size());
  std::vector<std::int64_t> found;
  for (std::int64_t row = 0; row < rows; ++row) {
    if ((flags[static_cast<std::size_t>(row)] & kRowNonFinite) != 0) found.push_back(row);
  }
  return found;
}

} // namespace

DeviceLossReport read_report(const Storage& workspace, std::int64_t rows) {
  DeviceSummary summary{};
  download(workspace, 0, &summary, sizeof summary);
  DeviceLossReport report;
  report.summary.loss = summary.loss;
  report.summary.counted_rows = summary.counted_rows;
  report.summary.pruned_rows = summary.pruned_rows;
  report.summary.top_ranked_rows = summary.top_ranked_rows;
  if (summary.non_finite_rows > 0) report.summary.non_finite_rows = read_non_finite_rows(workspace, rows);
  if (summary.fault_row >= 0) {
    report.fault = {static_cast<ProblemError>(summary.fault_error), summary.fault_row, summary.fault_value};
  }
  return report;
}

} // namespace fused_bear_loss::cuda
