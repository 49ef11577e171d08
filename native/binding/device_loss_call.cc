#include "native/binding/device_loss_call.h"

#include <algorithm>
#include <type_traits>

#include "native/binding/device_handle.h"

namespace fused_bear_loss {

DeviceLossRequest::DeviceLossRequest(const Napi::Value& numbers, const Napi::Array& arrays,
                                     const Napi::Value& scalar_loss)
    : call_(read_loss_call(numbers, arrays, &storages_)) {
  if (scalar_loss.IsUndefined()) return;
  storages_.push_back(held<DeviceStorage>(scalar_loss));
  scalar_loss_ = static_cast<float*>(storages_.back()->data());
}

// Host and device addresses do not coincide in the one address space that they share.
bool DeviceLossRequest::is_on_device(const void* pointer) const {
  return std::any_of(storages_.begin(), storages_.end(),
                     [pointer](const auto& storage) { return storage->data() == pointer; });
}

ProblemFault DeviceLossRequest::find_host_fault() const {
  LossProblem problem = call_.problem;
  if (problem.targets == nullptr || is_on_device(problem.targets)) return {};
  if (is_on_device(problem.allowed_bitmask)) problem.allowed_bitmask = nullptr;
  if (is_on_device(problem.allowed_offsets) || is_on_device(problem.allowed_tokens)) {
    problem.allowed_offsets = nullptr;
    problem.allowed_tokens = nullptr;
  }
  return find_fault(problem, call_.allowed_token_count);
}

std::shared_ptr<EnqueuedLoss> DeviceLossRequest::enqueue(const std::shared_ptr<DeviceStream>& stream) {
  for_each_row_input(call_.problem, call_.allowed_token_count, [&](auto& array, std::int64_t count) {
    if (array == nullptr || is_on_device(array)) return;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof *array;
    const auto& storage = storages_.emplace_back(device_api().allocate(stream->device(), bytes, stream));
    device_api().upload(*storage, array, bytes, stream);
    array = static_cast<std::decay_t<decltype(array)>>(storage->data());
  });
  return device_api().enqueue_loss({call_.problem, call_.allowed_token_count, call_.outputs, scalar_loss_, storages_},
                                   stream);
}

} // namespace fused_bear_loss
