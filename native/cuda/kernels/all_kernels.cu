// What nvcc compiles: all kernels in one unit. What is compressed together stores once what the kernels share.
#include "native/cuda/kernels/row_kernels_bf16.cu"
#include "native/cuda/kernels/row_kernels_f16.cu"
#include "native/cuda/kernels/row_kernels_f32.cu"
#include "native/cuda/kernels/summary_kernels.cu"
