/*
 * What a profile may answer: clGetPlatformInfo and clGetDeviceInfo, with the form of each value.
 *
 *     QUERY(number, name, form)
 * A profile names a query by its OpenCL name. CL_DEVICE_ADDRESS_BITS is not here on purpose:
 * pointers have the host's size whatever the profile says.
 */
#define PLATFORM_QUERIES(QUERY)                                                                    \
    QUERY(0x0900, CL_PLATFORM_PROFILE, FORM_TEXT)                                                  \
    QUERY(0x0901, CL_PLATFORM_VERSION, FORM_TEXT)                                                  \
    QUERY(0x0902, CL_PLATFORM_NAME, FORM_TEXT)                                                     \
    QUERY(0x0903, CL_PLATFORM_VENDOR, FORM_TEXT)                                                   \
    QUERY(0x0904, CL_PLATFORM_EXTENSIONS, FORM_TEXT)                                               \
    QUERY(0x0905, CL_PLATFORM_HOST_TIMER_RESOLUTION, FORM_ULONG)                                   \
    QUERY(0x0906, CL_PLATFORM_NUMERIC_VERSION, FORM_UINT)                                          \
    QUERY(0x0907, CL_PLATFORM_EXTENSIONS_WITH_VERSION, FORM_NAMES)                                 \
    QUERY(0x0920, CL_PLATFORM_ICD_SUFFIX_KHR, FORM_TEXT)

#define DEVICE_QUERIES(QUERY)                                                                      \
    QUERY(0x1000, CL_DEVICE_TYPE, FORM_ULONG)                                                      \
    QUERY(0x1001, CL_DEVICE_VENDOR_ID, FORM_UINT)                                                  \
    QUERY(0x1002, CL_DEVICE_MAX_COMPUTE_UNITS, FORM_UINT)                                          \
    QUERY(0x1003, CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, FORM_UINT)                                   \
    QUERY(0x1004, CL_DEVICE_MAX_WORK_GROUP_SIZE, FORM_SIZE)                                        \
    QUERY(0x1005, CL_DEVICE_MAX_WORK_ITEM_SIZES, FORM_SIZES)                                       \
    QUERY(0x1006, CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR, FORM_UINT)                                \
    QUERY(0x1007, CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT, FORM_UINT)                               \
    QUERY(0x1008, CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT, FORM_UINT)                                 \
    QUERY(0x1009, CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG, FORM_UINT)                                \
    QUERY(0x100A, CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, FORM_UINT)                               \
    QUERY(0x100B, CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE, FORM_UINT)                              \
    QUERY(0x100C, CL_DEVICE_MAX_CLOCK_FREQUENCY, FORM_UINT)                                        \
    QUERY(0x100E, CL_DEVICE_MAX_READ_IMAGE_ARGS, FORM_UINT)                                        \
    QUERY(0x100F, CL_DEVICE_MAX_WRITE_IMAGE_ARGS, FORM_UINT)                                       \
    QUERY(0x1010, CL_DEVICE_MAX_MEM_ALLOC_SIZE, FORM_ULONG)                                        \
    QUERY(0x1011, CL_DEVICE_IMAGE2D_MAX_WIDTH, FORM_SIZE)                                          \
    QUERY(0x1012, CL_DEVICE_IMAGE2D_MAX_HEIGHT, FORM_SIZE)                                         \
    QUERY(0x1013, CL_DEVICE_IMAGE3D_MAX_WIDTH, FORM_SIZE)                                          \
    QUERY(0x1014, CL_DEVICE_IMAGE3D_MAX_HEIGHT, FORM_SIZE)                                         \
    QUERY(0x1015, CL_DEVICE_IMAGE3D_MAX_DEPTH, FORM_SIZE)                                          \
    QUERY(0x1016, CL_DEVICE_IMAGE_SUPPORT, FORM_UINT)                                              \
    QUERY(0x1017, CL_DEVICE_MAX_PARAMETER_SIZE, FORM_SIZE)                                         \
    QUERY(0x1018, CL_DEVICE_MAX_SAMPLERS, FORM_UINT)                                               \
    QUERY(0x1019, CL_DEVICE_MEM_BASE_ADDR_ALIGN, FORM_UINT)                                        \
    QUERY(0x101A, CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, FORM_UINT)                                   \
    QUERY(0x101B, CL_DEVICE_SINGLE_FP_CONFIG, FORM_ULONG)                                          \
    QUERY(0x101C, CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, FORM_UINT)                                      \
    QUERY(0x101D, CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, FORM_UINT)                                  \
    QUERY(0x101E, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, FORM_ULONG)                                     \
    QUERY(0x101F, CL_DEVICE_GLOBAL_MEM_SIZE, FORM_ULONG)                                           \
    QUERY(0x1020, CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, FORM_ULONG)                                  \
    QUERY(0x1021, CL_DEVICE_MAX_CONSTANT_ARGS, FORM_UINT)                                          \
    QUERY(0x1022, CL_DEVICE_LOCAL_MEM_TYPE, FORM_UINT)                                             \
    QUERY(0x1023, CL_DEVICE_LOCAL_MEM_SIZE, FORM_ULONG)                                            \
    QUERY(0x1024, CL_DEVICE_ERROR_CORRECTION_SUPPORT, FORM_UINT)                                   \
    QUERY(0x1025, CL_DEVICE_PROFILING_TIMER_RESOLUTION, FORM_SIZE)                                 \
    QUERY(0x1026, CL_DEVICE_ENDIAN_LITTLE, FORM_UINT)                                              \
    QUERY(0x1027, CL_DEVICE_AVAILABLE, FORM_UINT)                                                  \
    QUERY(0x1028, CL_DEVICE_COMPILER_AVAILABLE, FORM_UINT)                                         \
    QUERY(0x1029, CL_DEVICE_EXECUTION_CAPABILITIES, FORM_ULONG)                                    \
    QUERY(0x102A, CL_DEVICE_QUEUE_PROPERTIES, FORM_ULONG)                                          \
    QUERY(0x102B, CL_DEVICE_NAME, FORM_TEXT)                                                       \
    QUERY(0x102C, CL_DEVICE_VENDOR, FORM_TEXT)                                                     \
    QUERY(0x102D, CL_DRIVER_VERSION, FORM_TEXT)                                                    \
    QUERY(0x102E, CL_DEVICE_PROFILE, FORM_TEXT)                                                    \
    QUERY(0x102F, CL_DEVICE_VERSION, FORM_TEXT)                                                    \
    QUERY(0x1030, CL_DEVICE_EXTENSIONS, FORM_TEXT)                                                 \
    QUERY(0x1032, CL_DEVICE_DOUBLE_FP_CONFIG, FORM_ULONG)                                          \
    QUERY(0x1033, CL_DEVICE_HALF_FP_CONFIG, FORM_ULONG)                                            \
    QUERY(0x1034, CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, FORM_UINT)                                \
    QUERY(0x1035, CL_DEVICE_HOST_UNIFIED_MEMORY, FORM_UINT)                                        \
    QUERY(0x1036, CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR, FORM_UINT)                                   \
    QUERY(0x1037, CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT, FORM_UINT)                                  \
    QUERY(0x1038, CL_DEVICE_NATIVE_VECTOR_WIDTH_INT, FORM_UINT)                                    \
    QUERY(0x1039, CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG, FORM_UINT)                                   \
    QUERY(0x103A, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, FORM_UINT)                                  \
    QUERY(0x103B, CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, FORM_UINT)                                 \
    QUERY(0x103C, CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, FORM_UINT)                                   \
    QUERY(0x103D, CL_DEVICE_OPENCL_C_VERSION, FORM_TEXT)                                           \
    QUERY(0x103E, CL_DEVICE_LINKER_AVAILABLE, FORM_UINT)                                           \
    QUERY(0x103F, CL_DEVICE_BUILT_IN_KERNELS, FORM_TEXT)                                           \
    QUERY(0x1040, CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, FORM_SIZE)                                      \
    QUERY(0x1041, CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, FORM_SIZE)                                       \
    QUERY(0x1043, CL_DEVICE_PARTITION_MAX_SUB_DEVICES, FORM_UINT)                                  \
    QUERY(0x1048, CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, FORM_UINT)                                \
    QUERY(0x1049, CL_DEVICE_PRINTF_BUFFER_SIZE, FORM_SIZE)                                         \
    QUERY(0x104A, CL_DEVICE_IMAGE_PITCH_ALIGNMENT, FORM_UINT)                                      \
    QUERY(0x104B, CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, FORM_UINT)                               \
    QUERY(0x104C, CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, FORM_UINT)                                  \
    QUERY(0x104D, CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, FORM_SIZE)                                   \
    QUERY(0x104E, CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, FORM_ULONG)                                \
    QUERY(0x104F, CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, FORM_UINT)                             \
    QUERY(0x1050, CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, FORM_UINT)                                   \
    QUERY(0x1051, CL_DEVICE_MAX_ON_DEVICE_QUEUES, FORM_UINT)                                       \
    QUERY(0x1052, CL_DEVICE_MAX_ON_DEVICE_EVENTS, FORM_UINT)                                       \
    QUERY(0x1053, CL_DEVICE_SVM_CAPABILITIES, FORM_ULONG)                                          \
    QUERY(0x1054, CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, FORM_SIZE)                       \
    QUERY(0x1055, CL_DEVICE_MAX_PIPE_ARGS, FORM_UINT)                                              \
    QUERY(0x1056, CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, FORM_UINT)                               \
    QUERY(0x1057, CL_DEVICE_PIPE_MAX_PACKET_SIZE, FORM_UINT)                                       \
    QUERY(0x1058, CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, FORM_UINT)                        \
    QUERY(0x1059, CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, FORM_UINT)                          \
    QUERY(0x105A, CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, FORM_UINT)                           \
    QUERY(0x105B, CL_DEVICE_IL_VERSION, FORM_TEXT)                                                 \
    QUERY(0x105C, CL_DEVICE_MAX_NUM_SUB_GROUPS, FORM_UINT)                                         \
    QUERY(0x105D, CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, FORM_UINT)                     \
    QUERY(0x105E, CL_DEVICE_NUMERIC_VERSION, FORM_UINT)                                            \
    QUERY(0x105F, CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR, FORM_UINT)                               \
    QUERY(0x1060, CL_DEVICE_EXTENSIONS_WITH_VERSION, FORM_NAMES)                                   \
    QUERY(0x1061, CL_DEVICE_ILS_WITH_VERSION, FORM_NAMES)                                          \
    QUERY(0x1062, CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, FORM_NAMES)                             \
    QUERY(0x1063, CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES, FORM_ULONG)                                \
    QUERY(0x1064, CL_DEVICE_ATOMIC_FENCE_CAPABILITIES, FORM_ULONG)                                 \
    QUERY(0x1065, CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, FORM_UINT)                             \
    QUERY(0x1066, CL_DEVICE_OPENCL_C_ALL_VERSIONS, FORM_C_VERSIONS)                                \
    QUERY(0x1067, CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, FORM_SIZE)                         \
    QUERY(0x1068, CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, FORM_UINT)                    \
    QUERY(0x1069, CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, FORM_UINT)                              \
    QUERY(0x106F, CL_DEVICE_OPENCL_C_FEATURES, FORM_NAMES)                                         \
    QUERY(0x1070, CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, FORM_ULONG)                               \
    QUERY(0x1071, CL_DEVICE_PIPE_SUPPORT, FORM_UINT)                                               \
    QUERY(0x1072, CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, FORM_TEXT)                          \
    QUERY(0x40BF, CL_DEVICE_COMPUTE_UNITS_BITFIELD_ARM, FORM_ULONG)

/* Answered by clGetKernelWorkGroupInfo; without them the device's limits count. */
#define KERNEL_QUERIES(QUERY)                                                                      \
    QUERY(0x11B0, CL_KERNEL_WORK_GROUP_SIZE, FORM_SIZE)                                            \
    QUERY(0x11B3, CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, FORM_SIZE)
