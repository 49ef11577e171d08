# The CUDA backend where nvcc is found and wanted, else the stub that says that there is none: the object library fbl_cuda,
# and fbl_link_cuda(target) for the addons that contain it.
set(has_nvcc OFF)
if(FBL_SANITIZE AND FBL_CUDA STREQUAL "AUTO")
  message(STATUS "CUDA backend: off, as a sanitizer is on")
elseif(NOT FBL_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(has_nvcc ON)
  elseif(FBL_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FBL_CUDA=ON, but CUDA's compiler was not found: put nvcc on the PATH, or set CUDACXX.")
  else()
    message(STATUS "CUDA backend: off, as nvcc was not found")
  endif()
endif()

if(NOT has_nvcc)
  add_library(fbl_cuda OBJECT ${cuda_stub_sources})
  function(fbl_link_cuda target)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:fbl_cuda>)
  endfunction()
  return()
endif()

# Machine code for each generation in use (that of 80 also runs on 86 and so on, but is not the best there; that of
# 86 is what nvcc makes for 89 too), and the intermediate form of 90 for those to come. Below 90 none is missing.
fbl_read_list(cuda_architectures cuda architectures)
string(JSON cuda_intermediate GET "${FBL_SOURCES_JSON}" cuda intermediate)
list(TRANSFORM cuda_architectures APPEND -real)
set(CMAKE_CUDA_ARCHITECTURES ${cuda_architectures} ${cuda_intermediate}-virtual)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
message(STATUS "CUDA backend: on, nvcc ${CMAKE_CUDA_COMPILER_VERSION}")

fbl_read_list(cuda_host_sources cuda host)
string(JSON cuda_kernel_unit GET "${FBL_SOURCES_JSON}" cuda kernelUnit)
add_library(fbl_cuda OBJECT ${cuda_host_sources} ${cuda_kernel_unit})
target_include_directories(fbl_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
# No fused products but where the source asks for them, as -ffp-contract=off on the host.
fbl_read_list(cuda_kernel_flags cuda kernelFlags)
set(nvcc_options ${cuda_kernel_flags} --compress-mode=size --threads=2
  -Xcompiler=-fvisibility=hidden,-fvisibility-inlines-hidden,-ffp-contract=off,-Wall,-Wextra)
if(FBL_WARNINGS_AS_ERRORS)
  list(APPEND nvcc_options -Werror=all-warnings -Xcompiler=-Werror)
endif()
target_compile_options(fbl_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${nvcc_options}>")

# No arithmetic here: small, as the addon should be.
target_compile_options(fbl_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-Os>")

function(fbl_link_cuda target)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:fbl_cuda>)
  target_link_libraries(${target} PRIVATE CUDA::cudart_static)
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()
