// A call of the loss whose logits lie on a device. The other inputs may lie there or in host memory.
#pragma once

#include <napi.h>

#include "native/binding/loss_call.h"
#include "native/core/device_api.h"
#include "native/core/validate_problem.h"

namespace fused_bear_loss {

class DeviceLossRequest {
 public:
  // The arrays of `call` are views of host memory or handles of device memory.
  DeviceLossRequest(const Napi::Value& numbers, const Napi::Array& arrays, const Napi::Value& scalar_loss);

  // As settle_overlap() of loss_call.h.
  const char* settle_overlap() { return fused_bear_loss::settle_overlap(call_); }

  // The first fault among inputs that can be looked at without waiting for the device.
  ProblemFault find_host_fault() const;

  // Uploads what lies in host memory and enqueues the call. Throws DeviceError.
  std::shared_ptr<EnqueuedLoss> enqueue(const std::shared_ptr<DeviceStream>& stream);

  int device() const { return call_.device; }

 private:
  bool is_on_device(const void* pointer) const;

  DeviceStorages storages_;
  LossCall call_; // after the storages, which reading it fills
  float* scalar_loss_ = nullptr;
};

} // namespace fused_bear_loss
