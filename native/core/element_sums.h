// Sums of arrays, element by element.
#pragma once

#include <cstdint>

#include "native/core/dtype.h"

namespace fused_bear_loss {

// Adds elements to those of `sums`, each of which is rounded to the type.
template <class Element>
void add_elements_to(const void* elements, std::int64_t count, void* sums) {
  const auto* const from = static_cast<const Element*>(elements);
  auto* const to = static_cast<Element*>(sums);
  for (std::int64_t i = 0; i < count; ++i) from_float(to_float(to[i]) + to_float(from[i]), to[i]);
}

} // namespace fused_bear_loss
