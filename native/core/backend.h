// The interface of a backend. The binding sees backends only through this header.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "native/core/linear_problem.h"
#include "native/core/loss_problem.h"
#include "native/core/top_tokens_problem.h"
#include "native/core/vocabulary_part.h"

namespace fused_bear_loss {

enum class ComputeStatus { kOk, kAborted, kOutOfMemory };

class Backend {
 public:
  virtual ~Backend() = default;

  // Runs one call. The problem has been validated (validate_problem.h). Blocks until every output is written.
  // `abort`, where given, is polled between rows: once true, the call ends early with kAborted and whatever it
  // wrote is meaningless. Safe to call from several threads at once. A backend with a device throws DeviceError
  // (device_error.h); then nothing that was there before the call has been written.
  virtual ComputeStatus compute(const LossProblem& problem, const LossOutputs& outputs, LossSummary& summary,
                                const std::atomic<std::int32_t>* abort) const = 0;
};

// The CPU backend, always there.
const Backend& cpu_backend();

// Runs one call of topTokens on the CPU; the constraint has been validated. Safe to call from several threads at once.
// Never kAborted.
ComputeStatus compute_top_tokens(const TopTokensProblem& problem, const TopTokensOutputs& outputs);

// The linear form on the CPU; the problem has been validated. Where memory runs out nothing has been written; after an
// abort the outputs mean nothing. Safe to call from several threads at once.
ComputeStatus compute_linear(const LinearProblem& problem, const LinearOutputs& outputs, LossSummary& summary,
                             const std::atomic<std::int32_t>* abort);

// topTokens of the logits of the linear form on the CPU, with the options of the call's LogitRows; no row is ignored,
// and every output is there. As compute_linear(), but never kAborted.
ComputeStatus compute_linear_top_tokens(const LinearProblem& problem, const TopTokensOutputs& outputs);

// Copies the logits of all rows, or only those that the lists allow, on as many threads as a call would use.
void copy_rows(const LogitRows& rows, void* destination, std::int64_t destination_stride, bool listed_only);

// One part of a vocabulary on the CPU. The problem's ids are local (LocalIds); both are safe to call from several
// threads at once, and never kAborted.
ComputeStatus compute_partials(const LossProblem& problem, const PartialRows& partials);
// The loss of whole rows, and the gradient of the part's logits.
ComputeStatus compute_part_gradient(const LossProblem& problem, const MergedRows& merged, const LossOutputs& outputs,
                                    LossSummary& summary);

struct CpuInfo {
  const char* instruction_set = nullptr; // the one in use: "baseline", "avx2", "avx512", "amx", "neon"
  // Every one that this processor and this build can run.
  const char* instruction_sets[4] = {};
  std::size_t instruction_set_count = 0;
  const char* override_error = ""; // why FUSED_BEAR_LOSS_INSTRUCTION_SET was not followed; empty: it was, or is unset
  const char* tuning = nullptr;    // the processor family whose tuning is in use, or what FUSED_BEAR_LOSS_TUNING names
  const char* tuning_error = "";   // as override_error
};
// Allocates nothing. The strings stay.
CpuInfo cpu_info();

struct CudaDevice {
  int index = 0;
  std::string name;
  std::string compute_capability; // "9.0"
  std::int64_t memory_bytes = 0;
};
struct CudaInfo {
  bool built = false;
  bool available = false;
  std::string reason; // why it is not available; empty when it is
  std::vector<CudaDevice> devices;
};
// Loads the driver at the first call, never earlier.
CudaInfo cuda_info();
// The backend of a device, for problems in host memory: copies them there and back. Throws DeviceError where the device
// is not there.
const Backend& cuda_backend(int device_index);

} // namespace fused_bear_loss
