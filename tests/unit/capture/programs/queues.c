/* Two queues, events and wait lists, markers, barriers, what the program sees of profiling. */
#include "common.h"

static const char *source = "kernel void add(global int *x, int by) { x[get_global_id(0)] += by; }";

int main(void) {
    static int data[64];
    open_device(CL_DEVICE_TYPE_ALL);
    cl_command_queue first = queue_with(0), second = queue_with(CL_QUEUE_PROFILING_ENABLE);
    cl_kernel kernel = kernel_named(build_source(source, NULL), "add");
    cl_mem x = buffer_of(sizeof data, 1, NULL);
    cl_event written, added, marked, read;
    size_t global = 64, offset = 0;
    CHECK(clEnqueueWriteBuffer(first, x, 0, 0, sizeof data, data, 0, NULL, &written));
    CHECK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CHECK(clSetKernelArg(kernel, 1, sizeof(int), &(int){5}));
    CHECK(clEnqueueNDRangeKernel(second, kernel, 1, &offset, &global, NULL, 1, &written, &added));
    CHECK(clEnqueueMarkerWithWaitList(second, 1, &added, &marked));
    CHECK(clEnqueueBarrierWithWaitList(first, 1, &marked, NULL));
    CHECK(clFlush(second));
    CHECK(clEnqueueReadBuffer(first, x, 0, 0, sizeof data, data, 0, NULL, &read));
    cl_event both[2] = {added, read};
    CHECK(clWaitForEvents(2, both));
    EXPECT(data[63] == 5);

    cl_bitfield properties = 99;
    cl_ulong time = 0;
    CHECK(clGetCommandQueueInfo(first, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL));
    EXPECT(properties == 0);
    CHECK(clGetCommandQueueInfo(second, CL_QUEUE_PROPERTIES, sizeof properties, &properties,
                                NULL));
    EXPECT(properties == CL_QUEUE_PROFILING_ENABLE);
    EXPECT(clGetEventProfilingInfo(read, CL_PROFILING_COMMAND_END, sizeof time, &time, NULL) ==
           CL_PROFILING_INFO_NOT_AVAILABLE);
    CHECK(clGetEventProfilingInfo(added, CL_PROFILING_COMMAND_END, sizeof time, &time, NULL));
    EXPECT(time != 0);

    cl_properties list[] = {CL_QUEUE_PROPERTIES, 1, 0};
    cl_command_queue third = clCreateCommandQueueWithProperties(context, device, list, &error);
    CHECK(error);
    CHECK(clGetCommandQueueInfo(third, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL));
    EXPECT(properties == 1);
    cl_properties back[3] = {9, 9, 9};
    size_t size = 0;
    CHECK(clGetCommandQueueInfo(third, CL_QUEUE_PROPERTIES_ARRAY, sizeof back, back, &size));
    EXPECT(size == sizeof list && !memcmp(back, list, size));
    CHECK(clReleaseEvent(written));
    CHECK(clReleaseEvent(added));
    CHECK(clReleaseEvent(marked));
    CHECK(clReleaseEvent(read));
    CHECK(clFinish(first));
    CHECK(clReleaseCommandQueue(first));
    CHECK(clReleaseCommandQueue(second));
    CHECK(clReleaseCommandQueue(third));
    return 0;
}
