/*
 * The OpenCL ABI as far as the shim needs it: types, constants and signatures.
 *
 * Written from the OpenCL specification, so that a C compiler and libc are all it takes to
 * build the shim. Handles are opaque; structures that the specification fixes are spelt out.
 */
#ifndef GPUSIM_SHIM_ABI_H
#define GPUSIM_SHIM_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int8_t cl_char;
typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;
typedef cl_uint cl_bool;
typedef cl_ulong cl_bitfield;
typedef cl_ulong cl_properties;
typedef intptr_t cl_ptr_properties;

typedef struct platform_handle *cl_platform_id;
typedef struct device_handle *cl_device_id;
typedef struct context_handle *cl_context;
typedef struct queue_handle *cl_command_queue;
typedef struct memory_handle *cl_mem;
typedef struct program_handle *cl_program;
typedef struct kernel_handle *cl_kernel;
typedef struct event_handle *cl_event;
typedef struct sampler_handle *cl_sampler;

typedef struct {
    cl_uint order;
    cl_uint type;
} cl_image_format;

typedef struct {
    cl_uint type;
    size_t width, height, depth, array_size, row_pitch, slice_pitch;
    cl_uint mip_levels, samples;
    cl_mem buffer;
} cl_image_desc;

typedef struct {
    size_t origin, size;
} cl_buffer_region;

typedef struct {
    cl_uint version;
    char name[64];
} cl_name_version;

typedef void (*context_notify)(const char *, const void *, size_t, void *);
typedef void (*program_notify)(cl_program, void *);

enum {
    CL_SUCCESS = 0,
    CL_DEVICE_NOT_FOUND = -1,
    CL_MEM_OBJECT_ALLOCATION_FAILURE = -4,
    CL_OUT_OF_RESOURCES = -5,
    CL_OUT_OF_HOST_MEMORY = -6,
    CL_PROFILING_INFO_NOT_AVAILABLE = -7,
    CL_BUILD_PROGRAM_FAILURE = -11,
    CL_COMPILE_PROGRAM_FAILURE = -15,
    CL_LINK_PROGRAM_FAILURE = -17,
    CL_KERNEL_ARG_INFO_NOT_AVAILABLE = -19,
    CL_INVALID_VALUE = -30,
    CL_INVALID_DEVICE_TYPE = -31,
    CL_INVALID_PLATFORM = -32,
    CL_INVALID_BUILD_OPTIONS = -43,
    CL_INVALID_WORK_GROUP_SIZE = -54,
    CL_INVALID_WORK_ITEM_SIZE = -55,
    CL_INVALID_OPERATION = -59,
    CL_INVALID_BUFFER_SIZE = -61,
    CL_INVALID_IMAGE_SIZE = -40,
    CL_INVALID_COMPILER_OPTIONS = -66,
    CL_PLATFORM_NOT_FOUND_KHR = -1001,
};

enum {
    CL_PLATFORM_PROFILE = 0x0900,
    CL_PLATFORM_VERSION = 0x0901,
    CL_PLATFORM_NAME = 0x0902,
    CL_PLATFORM_VENDOR = 0x0903,
    CL_PLATFORM_EXTENSIONS = 0x0904,
    CL_PLATFORM_HOST_TIMER_RESOLUTION = 0x0905,
    CL_PLATFORM_NUMERIC_VERSION = 0x0906,
    CL_PLATFORM_EXTENSIONS_WITH_VERSION = 0x0907,

    CL_DEVICE_TYPE = 0x1000,
    CL_DEVICE_NAME = 0x102B,
    CL_DEVICE_VERSION = 0x102F,
    CL_DEVICE_EXTENSIONS = 0x1030,
    CL_DEVICE_OPENCL_C_VERSION = 0x103D,
    CL_DEVICE_NUMERIC_VERSION = 0x105E,
    CL_DEVICE_OPENCL_C_NUMERIC_VERSION = 0x105F,
    CL_DEVICE_EXTENSIONS_WITH_VERSION = 0x1060,
    CL_DEVICE_ILS_WITH_VERSION = 0x1061,
    CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION = 0x1062,
    CL_DEVICE_OPENCL_C_ALL_VERSIONS = 0x1066,
    CL_DEVICE_OPENCL_C_FEATURES = 0x106F,

    CL_CONTEXT_PLATFORM = 0x1084,
    CL_CONTEXT_DEVICES = 0x1081,
    CL_QUEUE_CONTEXT = 0x1090,
    CL_QUEUE_DEVICE = 0x1091,
    CL_QUEUE_PROPERTIES = 0x1093,
    CL_QUEUE_PROPERTIES_ARRAY = 0x1098,
    CL_MEM_TYPE = 0x1100,
    CL_MEM_FLAGS = 0x1101,
    CL_MEM_SIZE = 0x1102,
    CL_IMAGE_ELEMENT_SIZE = 0x1111,
    CL_IMAGE_ROW_PITCH = 0x1112,
    CL_IMAGE_SLICE_PITCH = 0x1113,
    CL_SAMPLER_NORMALIZED_COORDS = 0x1152,
    CL_SAMPLER_ADDRESSING_MODE = 0x1153,
    CL_SAMPLER_FILTER_MODE = 0x1154,
    CL_PROGRAM_NUM_DEVICES = 0x1162,
    CL_PROGRAM_DEVICES = 0x1163,
    CL_PROGRAM_BUILD_OPTIONS = 0x1182,
    CL_PROGRAM_BUILD_LOG = 0x1183,
    CL_KERNEL_FUNCTION_NAME = 0x1190,
    CL_KERNEL_NUM_ARGS = 0x1191,
    CL_KERNEL_PROGRAM = 0x1194,
    CL_KERNEL_ARG_ADDRESS_QUALIFIER = 0x1196,
    CL_KERNEL_ARG_TYPE_NAME = 0x1198,
    CL_KERNEL_ARG_TYPE_QUALIFIER = 0x1199,
    CL_KERNEL_ARG_NAME = 0x119A,
    CL_KERNEL_ARG_ADDRESS_GLOBAL = 0x119B,
    CL_KERNEL_ARG_ADDRESS_LOCAL = 0x119C,
    CL_KERNEL_ARG_ADDRESS_CONSTANT = 0x119D,
    CL_KERNEL_ARG_ADDRESS_PRIVATE = 0x119E,
    CL_KERNEL_WORK_GROUP_SIZE = 0x11B0,
    CL_KERNEL_LOCAL_MEM_SIZE = 0x11B2,
    CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE = 0x11B3,
    CL_EVENT_COMMAND_QUEUE = 0x11D0,
    CL_PROFILING_COMMAND_QUEUED = 0x1280,
    CL_PROFILING_COMMAND_SUBMIT = 0x1281,
    CL_PROFILING_COMMAND_START = 0x1282,
    CL_PROFILING_COMMAND_END = 0x1283,

    CL_MEM_OBJECT_BUFFER = 0x10F0,
    CL_MEM_OBJECT_IMAGE2D = 0x10F1,
    CL_MEM_OBJECT_IMAGE3D = 0x10F2,
    CL_MEM_OBJECT_IMAGE2D_ARRAY = 0x10F3,
    CL_MEM_OBJECT_IMAGE1D = 0x10F4,
    CL_MEM_OBJECT_IMAGE1D_ARRAY = 0x10F5,
    CL_MEM_OBJECT_IMAGE1D_BUFFER = 0x10F6,

    CL_BUFFER_CREATE_TYPE_REGION = 0x1220,
    CL_IMPORT_TYPE_ARM = 0x40B2,
    CL_IMPORT_TYPE_HOST_ARM = 0x40B3,
    CL_LAYER_API_VERSION = 0x4240,
    CL_LAYER_NAME = 0x4241,
};

#define CL_DEVICE_TYPE_DEFAULT ((cl_bitfield)1)
#define CL_DEVICE_TYPE_ALL ((cl_bitfield)0xFFFFFFFF)
#define CL_QUEUE_PROFILING_ENABLE ((cl_bitfield)2)
#define CL_QUEUE_ON_DEVICE ((cl_bitfield)4)
#define CL_MEM_USE_HOST_PTR ((cl_bitfield)8)
#define CL_MEM_COPY_HOST_PTR ((cl_bitfield)32)
#define CL_MAP_WRITE ((cl_bitfield)2)
#define CL_MAP_WRITE_INVALIDATE_REGION ((cl_bitfield)4)

/* Signatures of the calls that the shim makes or takes the place of. */
#define QUERY(name, ...) cl_int name(__VA_ARGS__, cl_uint, size_t, void *, size_t *)
#define WAITS cl_uint, const cl_event *
#define ENQUEUED WAITS, cl_event *

cl_int clGetPlatformIDs(cl_uint, cl_platform_id *, cl_uint *);
QUERY(clGetPlatformInfo, cl_platform_id);
cl_int clGetDeviceIDs(cl_platform_id, cl_bitfield, cl_uint, cl_device_id *, cl_uint *);
QUERY(clGetDeviceInfo, cl_device_id);
cl_context clCreateContext(const cl_ptr_properties *, cl_uint, const cl_device_id *, context_notify,
                           void *, cl_int *);
cl_context clCreateContextFromType(const cl_ptr_properties *, cl_bitfield, context_notify, void *,
                                   cl_int *);
cl_int clRetainContext(cl_context);
cl_int clReleaseContext(cl_context);
QUERY(clGetContextInfo, cl_context);
cl_command_queue clCreateCommandQueue(cl_context, cl_device_id, cl_bitfield, cl_int *);
cl_command_queue clCreateCommandQueueWithProperties(cl_context, cl_device_id, const cl_properties *,
                                                    cl_int *);
cl_int clRetainCommandQueue(cl_command_queue);
cl_int clReleaseCommandQueue(cl_command_queue);
QUERY(clGetCommandQueueInfo, cl_command_queue);

cl_mem clCreateBuffer(cl_context, cl_bitfield, size_t, void *, cl_int *);
cl_mem clCreateBufferWithProperties(cl_context, const cl_properties *, cl_bitfield, size_t, void *,
                                    cl_int *);
cl_mem clCreateSubBuffer(cl_mem, cl_bitfield, cl_uint, const void *, cl_int *);
cl_mem clCreateImage(cl_context, cl_bitfield, const cl_image_format *, const cl_image_desc *,
                     void *, cl_int *);
cl_mem clCreateImageWithProperties(cl_context, const cl_properties *, cl_bitfield,
                                   const cl_image_format *, const cl_image_desc *, void *,
                                   cl_int *);
cl_mem clCreateImage2D(cl_context, cl_bitfield, const cl_image_format *, size_t, size_t, size_t,
                       void *, cl_int *);
cl_mem clCreateImage3D(cl_context, cl_bitfield, const cl_image_format *, size_t, size_t, size_t,
                       size_t, size_t, void *, cl_int *);
cl_int clRetainMemObject(cl_mem);
cl_int clReleaseMemObject(cl_mem);
QUERY(clGetMemObjectInfo, cl_mem);
QUERY(clGetImageInfo, cl_mem);
cl_mem clImportMemoryARM(cl_context, cl_bitfield, const cl_ptr_properties *, void *, size_t,
                         cl_int *);
void *clSVMAlloc(cl_context, cl_bitfield, size_t, cl_uint);
void clSVMFree(cl_context, void *);
cl_sampler clCreateSampler(cl_context, cl_bool, cl_uint, cl_uint, cl_int *);
cl_sampler clCreateSamplerWithProperties(cl_context, const cl_properties *, cl_int *);
cl_int clRetainSampler(cl_sampler);
cl_int clReleaseSampler(cl_sampler);
QUERY(clGetSamplerInfo, cl_sampler);

cl_program clCreateProgramWithSource(cl_context, cl_uint, const char **, const size_t *, cl_int *);
cl_program clCreateProgramWithBinary(cl_context, cl_uint, const cl_device_id *, const size_t *,
                                     const unsigned char **, cl_int *, cl_int *);
cl_program clCreateProgramWithIL(cl_context, const void *, size_t, cl_int *);
cl_int clRetainProgram(cl_program);
cl_int clReleaseProgram(cl_program);
cl_int clBuildProgram(cl_program, cl_uint, const cl_device_id *, const char *, program_notify,
                      void *);
cl_int clCompileProgram(cl_program, cl_uint, const cl_device_id *, const char *, cl_uint,
                        const cl_program *, const char **, program_notify, void *);
cl_program clLinkProgram(cl_context, cl_uint, const cl_device_id *, const char *, cl_uint,
                         const cl_program *, program_notify, void *, cl_int *);
QUERY(clGetProgramInfo, cl_program);
QUERY(clGetProgramBuildInfo, cl_program, cl_device_id);
cl_kernel clCreateKernel(cl_program, const char *, cl_int *);
cl_int clCreateKernelsInProgram(cl_program, cl_uint, cl_kernel *, cl_uint *);
cl_kernel clCloneKernel(cl_kernel, cl_int *);
cl_int clRetainKernel(cl_kernel);
cl_int clReleaseKernel(cl_kernel);
cl_int clSetKernelArg(cl_kernel, cl_uint, size_t, const void *);
cl_int clSetKernelArgSVMPointer(cl_kernel, cl_uint, const void *);
QUERY(clGetKernelInfo, cl_kernel);
QUERY(clGetKernelArgInfo, cl_kernel, cl_uint);
QUERY(clGetKernelWorkGroupInfo, cl_kernel, cl_device_id);

cl_int clWaitForEvents(WAITS);
cl_event clCreateUserEvent(cl_context, cl_int *);
cl_int clRetainEvent(cl_event);
cl_int clReleaseEvent(cl_event);
QUERY(clGetEventInfo, cl_event);
QUERY(clGetEventProfilingInfo, cl_event);
cl_int clFlush(cl_command_queue);
cl_int clFinish(cl_command_queue);

cl_int clEnqueueReadBuffer(cl_command_queue, cl_mem, cl_bool, size_t, size_t, void *, ENQUEUED);
cl_int clEnqueueWriteBuffer(cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void *,
                            ENQUEUED);
cl_int clEnqueueReadBufferRect(cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *,
                               const size_t *, size_t, size_t, size_t, size_t, void *, ENQUEUED);
cl_int clEnqueueWriteBufferRect(cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *,
                                const size_t *, size_t, size_t, size_t, size_t, const void *,
                                ENQUEUED);
cl_int clEnqueueCopyBuffer(cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, ENQUEUED);
cl_int clEnqueueCopyBufferRect(cl_command_queue, cl_mem, cl_mem, const size_t *, const size_t *,
                               const size_t *, size_t, size_t, size_t, size_t, ENQUEUED);
cl_int clEnqueueFillBuffer(cl_command_queue, cl_mem, const void *, size_t, size_t, size_t,
                           ENQUEUED);
cl_int clEnqueueFillImage(cl_command_queue, cl_mem, const void *, const size_t *, const size_t *,
                          ENQUEUED);
cl_int clEnqueueReadImage(cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *,
                          size_t, size_t, void *, ENQUEUED);
cl_int clEnqueueWriteImage(cl_command_queue, cl_mem, cl_bool, const size_t *, const size_t *,
                           size_t, size_t, const void *, ENQUEUED);
cl_int clEnqueueCopyImage(cl_command_queue, cl_mem, cl_mem, const size_t *, const size_t *,
                          const size_t *, ENQUEUED);
cl_int clEnqueueCopyImageToBuffer(cl_command_queue, cl_mem, cl_mem, const size_t *, const size_t *,
                                  size_t, ENQUEUED);
cl_int clEnqueueCopyBufferToImage(cl_command_queue, cl_mem, cl_mem, size_t, const size_t *,
                                  const size_t *, ENQUEUED);
void *clEnqueueMapBuffer(cl_command_queue, cl_mem, cl_bool, cl_bitfield, size_t, size_t, ENQUEUED,
                         cl_int *);
void *clEnqueueMapImage(cl_command_queue, cl_mem, cl_bool, cl_bitfield, const size_t *,
                        const size_t *, size_t *, size_t *, ENQUEUED, cl_int *);
cl_int clEnqueueUnmapMemObject(cl_command_queue, cl_mem, void *, ENQUEUED);
cl_int clEnqueueMigrateMemObjects(cl_command_queue, cl_uint, const cl_mem *, cl_bitfield,
                                  ENQUEUED);
cl_int clEnqueueNDRangeKernel(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                              const size_t *, ENQUEUED);
cl_int clEnqueueTask(cl_command_queue, cl_kernel, ENQUEUED);
cl_int clEnqueueMarkerWithWaitList(cl_command_queue, ENQUEUED);
cl_int clEnqueueBarrierWithWaitList(cl_command_queue, ENQUEUED);
cl_int clEnqueueMarker(cl_command_queue, cl_event *);
cl_int clEnqueueBarrier(cl_command_queue);
cl_int clEnqueueWaitForEvents(cl_command_queue, WAITS);
cl_int clEnqueueSVMMemcpy(cl_command_queue, cl_bool, void *, const void *, size_t, ENQUEUED);
cl_int clEnqueueSVMMemFill(cl_command_queue, void *, const void *, size_t, size_t, ENQUEUED);
cl_int clEnqueueSVMMap(cl_command_queue, cl_bool, cl_bitfield, void *, size_t, ENQUEUED);
cl_int clEnqueueSVMUnmap(cl_command_queue, void *, ENQUEUED);

void *clGetExtensionFunctionAddress(const char *);
void *clGetExtensionFunctionAddressForPlatform(cl_platform_id, const char *);

#endif
