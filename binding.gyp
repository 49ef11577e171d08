# A CPU-only build of a clone, for machines without CMake (`npx node-gyp rebuild`). It is not packed. Sources, flags and defines come from
# native/sources.json, as in CMakeLists.txt.
{
  'variables': {
    'compile_flags': ["<!@(node -p \"require('./native/sources.json').compileFlags.join(' ')\")"],
    'backend_defines': ["<!@(node -p \"require('./native/sources.json').defines.join(' ')\")"],
    'binding_defines': ["<!@(node -p \"require('./native/sources.json').bindingDefines.join(' ')\")"],
    'link_flags': ["<!@(node -p \"require('./native/sources.json').linuxLinkFlags.join(' ')\")"],
    'linux_exports': "<!(node -p \"require('./native/sources.json').linuxExports\")",
    'row_kernel_sources': ["<!@(node -p \"require('./native/sources.json').rowKernel.sources.join(' ')\")"],
  },
  'target_defaults': {
    'include_dirs': ['.'],
    'defines': ['<@(backend_defines)'],
    # What node-gyp's defaults would set differently from CMakeLists.txt.
    'cflags_cc/': [['exclude', '^-std=gnu'], ['exclude', '^-fno-(exceptions|rtti)$']],
    'cflags_cc': ['<@(compile_flags)'],
    'xcode_settings': {
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'OTHER_CPLUSPLUSFLAGS': ['<@(compile_flags)'],
    },
    'msvs_settings': {'VCCLCompilerTool': {'ExceptionHandling': 1, 'AdditionalOptions': ['/std:c++17']}},
  },
  'targets': [
    {
      'target_name': 'fused_bear_loss',
      'sources': [
        "<!@(node -p \"var s = require('./native/sources.json'); [].concat(s.core, s.threads, s.cpu, s.cudaStub, s.binding).join(' ')\")",
      ],
      'dependencies': ['row_kernel_baseline'],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['<@(binding_defines)'],
      'conditions': [
        ['target_arch=="x64" and OS!="win"', {
          'dependencies': ['row_kernel_avx2', 'row_kernel_avx512'],
          'defines': ['FBL_HAVE_X86_INSTRUCTION_SETS=1'],
        }],
        ['target_arch=="arm64" and OS!="win"', {
          'dependencies': ['row_kernel_neon'],
          'defines': ['FBL_HAVE_NEON=1'],
        }],
        ['OS=="linux"', {
          'ldflags': ['<@(link_flags)', '-Wl,--version-script=<(module_root_dir)/<(linux_exports)'],
        }],
      ],
    },
    {
      'target_name': 'row_kernel_baseline',
      'type': 'static_library',
      'sources': ['<@(row_kernel_sources)'],
      'defines': ['FBL_INSTRUCTION_SET=baseline'],
    },
  ],
  'conditions': [
    ['target_arch=="x64" and OS!="win"', {
      'targets': [
        {
          'target_name': 'row_kernel_avx2',
          'type': 'static_library',
          'variables': {
            'instruction_set_flags': ["<!@(node -p \"require('./native/sources.json').rowKernel.instructionSets.avx2.join(' ')\")"],
          },
          'sources': ['<@(row_kernel_sources)'],
          'defines': ['FBL_INSTRUCTION_SET=avx2', 'FBL_HAVE_X86_INSTRUCTION_SETS=1'],
          'cflags_cc': ['<@(instruction_set_flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(instruction_set_flags)']},
        },
        {
          'target_name': 'row_kernel_avx512',
          'type': 'static_library',
          'variables': {
            'instruction_set_flags': ["<!@(node -p \"require('./native/sources.json').rowKernel.instructionSets.avx512.join(' ')\")"],
          },
          'sources': ['<@(row_kernel_sources)'],
          'defines': ['FBL_INSTRUCTION_SET=avx512', 'FBL_HAVE_X86_INSTRUCTION_SETS=1'],
          'cflags_cc': ['<@(instruction_set_flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(instruction_set_flags)']},
        },
      ],
    }],
    ['target_arch=="arm64" and OS!="win"', {
      'targets': [
        {
          'target_name': 'row_kernel_neon',
          'type': 'static_library',
          'variables': {
            'instruction_set_flags': ["<!@(node -p \"require('./native/sources.json').rowKernel.instructionSets.neon.join(' ')\")"],
          },
          'sources': ['<@(row_kernel_sources)'],
          'defines': ['FBL_INSTRUCTION_SET=neon', 'FBL_HAVE_NEON=1'],
          'cflags_cc': ['<@(instruction_set_flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(instruction_set_flags)']},
        },
      ],
    }],
  ],
}
