// Typed arrays of JavaScript as pointers and lengths, and the checks that keep every call inside them.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "native/core/logit_rows.h"
#include "native/core/read_options.h"

namespace fused_bear_loss {

// What a call of the addon that lib/ did not mean to make ends with: a mistake of this package, not of its user.
inline Napi::Error malformed(const Napi::Env& env, const std::string& what) {
  return Napi::Error::New(env, "fused-bear-loss: malformed call of the addon: " + what);
}

struct View {
  void* data = nullptr;
  std::size_t length = 0; // in elements; in bytes where it is on a device
  napi_typedarray_type type = napi_uint8_array;
  bool present = false;
  bool on_device = false;
};

// The plain C functions here and below: Napi::TypedArray insists on an ArrayBuffer, which a shared one is not, and
// every wrapper is one more piece of code to fetch in a call that a training step has driven out of the caches.
inline View view_of(const Napi::Env& env, napi_value value, const char* name) {
  View view;
  view.present = true;
  const napi_status status =
      napi_get_typedarray_info(env, value, &view.type, &view.length, &view.data, nullptr, nullptr);
  if (status != napi_ok) throw malformed(env, std::string(name) + " is no typed array");
  return view;
}

// Undefined gives a view that is not present.
inline View optional_view_of(const Napi::Env& env, napi_value value, const char* name) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, value, &type) != napi_ok) throw malformed(env, std::string(name) + " cannot be read");
  return type == napi_undefined ? View{} : view_of(env, value, name);
}

template <class T>
inline constexpr napi_typedarray_type kArrayType = napi_uint8_array;
template <>
inline constexpr napi_typedarray_type kArrayType<float> = napi_float32_array;
template <>
inline constexpr napi_typedarray_type kArrayType<double> = napi_float64_array;
template <>
inline constexpr napi_typedarray_type kArrayType<std::int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type kArrayType<std::uint32_t> = napi_uint32_array;

// `length` is the least number of elements.
inline void check_view(const Napi::Env& env, const char* name, const View& view, napi_typedarray_type type,
                       std::size_t length) {
  if (view.on_device) {
    const std::size_t element_bytes = type == napi_uint16_array ? 2 : 4; // as every array that a device takes
    if (view.length / element_bytes < length) throw malformed(env, std::string(name) + " is too short");
    return;
  }
  if (view.type != type) throw malformed(env, std::string(name) + " has another element type");
  if (view.length < length) throw malformed(env, std::string(name) + " is too short");
}

// Null where the view is not present.
template <class T>
T* typed_data(const Napi::Env& env, const char* name, const View& view, std::size_t length) {
  if (!view.present) return nullptr;
  check_view(env, name, view, kArrayType<T>, length);
  return static_cast<T*>(view.data);
}

// The numbers of a call by their places, which `names` says in errors.
template <class Place>
class Numbers {
 public:
  // At least `count` of them.
  Numbers(const Napi::Value& array, const char* const* names, std::size_t count)
      : env_(array.Env()),
        names_(names),
        values_(typed_data<double>(env_, "numbers", view_of(env_, array, "numbers"), count)) {}

  Napi::Env env() const { return env_; }

  double number(Place place) const { return values_[static_cast<std::size_t>(place)]; }

  std::int64_t integer(Place place, double least, double most) const {
    const double value = number(place);
    if (!(value >= least && value <= most) || std::trunc(value) != value) {
      throw malformed(env_, std::string(names_[static_cast<std::size_t>(place)]) + " is out of range");
    }
    return static_cast<std::int64_t>(value);
  }

  // An enumerator by its position in the table of its names.
  template <class Enum, std::size_t kCount>
  Enum enumerator(Place place, const char* const (&)[kCount]) const {
    return static_cast<Enum>(integer(place, 0, static_cast<double>(kCount - 1)));
  }

 private:
  Napi::Env env_;
  const char* const* names_;

 protected:
  const double* values_;
};

inline napi_typedarray_type logits_array_type(DType dtype) {
  return dtype == DType::kFloat32 ? napi_float32_array : napi_uint16_array;
}

// Elements from the start of the first row to the end of the last; `rows` and `stride` come from JavaScript's integers,
// below 2^53, and their product is known to be one.
inline std::size_t spanned_elements(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * stride + columns);
}

inline void check_product(const Napi::Env& env, const char* name, std::int64_t rows, std::int64_t stride) {
  if (static_cast<double>(rows) * static_cast<double>(stride) > kLargestSafeInteger) {
    throw malformed(env, std::string(name) + " holds more elements than an index can count");
  }
}

// Memory of an argument, by the argument's public name.
struct Span {
  const char* name;
  const void* start;
  std::size_t bytes;
};

// Compares addresses, as two shared buffer objects may be the same memory.
inline bool overlap(const Span& a, const Span& b) {
  if (a.start == nullptr || b.start == nullptr || a.bytes == 0 || b.bytes == 0) return false;
  const auto a_start = reinterpret_cast<std::uintptr_t>(a.start);
  const auto b_start = reinterpret_cast<std::uintptr_t>(b.start);
  return a_start < b_start + b.bytes && b_start < a_start + a.bytes;
}

// The name of what one of the first `outputs` spans shares memory with, another of the spans; null: nothing.
template <std::size_t kCount>
const char* find_overlap(const Span (&spans)[kCount], std::size_t outputs) {
  for (std::size_t output = 0; output < outputs; ++output) {
    for (std::size_t other = output + 1; other < kCount; ++other) {
      if (overlap(spans[output], spans[other])) return spans[other].name;
    }
  }
  return nullptr;
}

} // namespace fused_bear_loss
