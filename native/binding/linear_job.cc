#include "native/binding/linear_job.h"

#include <algorithm>
#include <cstring>

#include "native/core/dtype.h"
#include "native/core/element_sums.h"

namespace fused_bear_loss {
namespace {

constexpr auto place_of(LinearArray array) { return static_cast<std::size_t>(array); }

} // namespace

LinearJob::LinearJob(const LinearCall& call, std::int32_t lent)
    : problem_(call.problem),
      outputs_(call.outputs),
      rows_(problem_, outputs_.rows, call.allowed_token_count),
      workspace_floats_(call.workspace_floats),
      lent_(lent) {
  const std::int64_t element = element_size(problem_.operand_dtype);
  const std::int64_t hidden = problem_.rows * problem_.hidden_size;
  const std::int64_t weight = problem_.vocab_size * problem_.hidden_size;
  take_input(place_of(LinearArray::kHidden), problem_.hidden, hidden * element);
  take_input(place_of(LinearArray::kWeight), problem_.weight, weight * element);
  take_input(place_of(LinearArray::kBias), problem_.bias, problem_.vocab_size * std::int64_t{sizeof(float)});
  take_input(place_of(LinearArray::kAllowedBias), problem_.allowed_bias,
             call.allowed_token_count * std::int64_t{sizeof(float)});
  take_gradient(place_of(LinearArray::kGradHidden), outputs_.grad_hidden, hidden, element);
  take_gradient(place_of(LinearArray::kGradWeight), outputs_.grad_weight, outputs_.weight_rows * problem_.hidden_size,
                sizeof(float));
  take_gradient(place_of(LinearArray::kGradBias), outputs_.grad_bias, problem_.vocab_size, sizeof(float));
  take_gradient(place_of(LinearArray::kGradAllowedBias), outputs_.grad_allowed_bias, call.allowed_token_count,
                sizeof(float));
  if (!outputs_.weight_is_sparse) return;
  weight_tokens_.assign(outputs_.weight_tokens, outputs_.weight_tokens + outputs_.weight_rows);
  outputs_.weight_tokens = weight_tokens_.data();
}

template <class T>
void LinearJob::take_input(std::size_t array, T*& data, std::int64_t bytes) {
  if (data == nullptr || (lent_ >> array & 1) != 0) return;
  ReusedMemory& memory = copies_[array].memory.emplace(static_cast<std::size_t>(bytes));
  std::memcpy(memory.data(), data, static_cast<std::size_t>(bytes));
  data = reinterpret_cast<T*>(memory.data());
}

template <class T>
void LinearJob::take_gradient(std::size_t array, T*& data, std::int64_t elements, std::int64_t element_bytes) {
  if (data == nullptr || (lent_ >> array & 1) != 0) return;
  const auto bytes = static_cast<std::size_t>(elements * element_bytes);
  ReusedMemory& memory = copies_[array].memory.emplace(bytes);
  // What lent memory holds is added to as the rows come; the rest is added when all of them have come.
  if (problem_.accumulate) std::memset(memory.data(), 0, bytes);
  copies_[array].elements = elements;
  if (array == place_of(LinearArray::kGradWeight)) outputs_.weight_is_zero = false;
  data = reinterpret_cast<T*>(memory.data());
}

ComputeStatus LinearJob::run(const std::atomic<std::int32_t>* abort) {
  const ReusedMemory workspace(static_cast<std::size_t>(workspace_floats_) * sizeof(float));
  problem_.workspace = reinterpret_cast<float*>(workspace.data());
  problem_.workspace_floats = workspace_floats_;
  const ComputeStatus status = compute_linear(problem_, outputs_, summary_, abort);
  for (Copy& copy : copies_) {
    if (copy.elements == 0) copy.memory.reset(); // of use to the next call from now on
  }
  return status;
}

void LinearJob::copy_outputs(const LinearOutputs& destination) const {
  rows_.copy_outputs(destination.rows);
  void* const gradients[] = {destination.grad_hidden, destination.grad_weight, destination.grad_bias,
                             destination.grad_allowed_bias};
  for (std::size_t i = 0; i < std::size(gradients); ++i) {
    const Copy& copy = copies_[place_of(LinearArray::kGradHidden) + i];
    if (!copy.memory) continue;
    const bool is_half = i == 0 && problem_.operand_dtype == DType::kBFloat16;
    if (!problem_.accumulate) {
      const std::int64_t bytes =
          copy.elements * (is_half ? std::int64_t{sizeof(BFloat16)} : std::int64_t{sizeof(float)});
      std::memcpy(gradients[i], copy.memory->data(), static_cast<std::size_t>(bytes));
    } else if (is_half) {
      add_elements_to<BFloat16>(copy.memory->data(), copy.elements, gradients[i]);
    } else {
      add_elements_to<float>(copy.memory->data(), copy.elements, gradients[i]);
    }
  }
}

} // namespace fused_bear_loss
