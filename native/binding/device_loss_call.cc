#include "native/binding/device_loss_call.h"

#include <algorithm>

#include "native/binding/device_handle.h"

namespace fused_bear_loss {

// Notes every device memory that the call names.
class DeviceLossRequest::Collector final : public DeviceArrays {
 public:
  explicit Collector(std::vector<std::shared_ptr<DeviceStorage>>& storages) : storages_(storages) {}

  Memory resolve(ArrayField /*field*/, const Napi::Value& handle) override {
    storages_.push_back(storage_of(handle));
    return {storages_.back()->data(), storages_.back()->bytes()};
  }

 private:
  std::vector<std::shared_ptr<DeviceStorage>>& storages_;
};

DeviceLossRequest::DeviceLossRequest(const Napi::Value& numbers, const Napi::Array& arrays,
                                     const Napi::Value& scalar_loss) {
  Collector collector(storages_);
  call_ = read_loss_call(numbers, arrays, &collector);
  if (scalar_loss.IsUndefined()) return;
  storages_.push_back(storage_of(scalar_loss));
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

template <class T>
void DeviceLossRequest::upload(const T*& array, std::int64_t count, const std::shared_ptr<DeviceStream>& stream) {
  if (array == nullptr || is_on_device(array)) return;
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
  std::shared_ptr<DeviceStorage> storage = device_api().allocate(stream->device(), bytes, stream);
  device_api().upload(*storage, array, bytes, stream);
  array = static_cast<const T*>(storage->data());
  storages_.push_back(std::move(storage));
}

std::shared_ptr<EnqueuedLoss> DeviceLossRequest::enqueue(const std::shared_ptr<DeviceStream>& stream) {
  LossProblem& problem = call_.problem;
  const std::int64_t rows = problem.rows;
  upload(problem.targets, rows, stream);
  upload(problem.token_weights, rows, stream);
  upload(problem.penalty_weights, rows, stream);
  upload(problem.grad_output_rows, rows, stream);
  upload(problem.allowed_offsets, rows + 1, stream);
  upload(problem.allowed_tokens, call_.allowed_token_count, stream);
  upload(problem.allowed_bitmask, rows * bitmask_words(problem.vocab_size), stream);
  DeviceLossCall call;
  call.problem = problem;
  call.allowed_token_count = call_.allowed_token_count;
  call.outputs = call_.outputs;
  call.loss = scalar_loss_;
  call.storages = storages_;
  return device_api().enqueue_loss(call, stream);
}

} // namespace fused_bear_loss
