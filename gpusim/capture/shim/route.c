/*
 * Where each call goes: finding the real OpenCL library, taking the place of a layer, and
 * leading programs that load OpenCL themselves back to the shim.
 */

typedef void *(*dlopen_function)(const char *, int);
typedef void *(*dlsym_function)(void *, const char *);

static struct {
    dlopen_function open;
    dlsym_function sym;
    void *handle;          /* the real library */
    void *symbols[API_COUNT];
    void *import_memory;   /* its clImportMemoryARM */
    char self[4096];
    int resolved;
} g_route;
static pthread_mutex_t g_route_lock = PTHREAD_MUTEX_INITIALIZER;

static void *shim_clGetExtensionFunctionAddress(const char *name);
static void *shim_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                                           const char *name);

#define RECORD_CASE(number, name) [number] = (void *)shim_##name,
#define OTHER_CASE(number, name) [number] = NULL,
static void *const g_recorders[API_COUNT] = {
    OPENCL_API(RECORD_CASE, OTHER_CASE, OTHER_CASE, OTHER_CASE)};
#define YES_CASE(number, name) [number] = 1,
#define NO_CASE(number, name) [number] = 0,
static const unsigned char g_noted[API_COUNT] = {OPENCL_API(NO_CASE, NO_CASE, YES_CASE, NO_CASE)};
static const unsigned char g_exported[API_COUNT] = {
    OPENCL_API(YES_CASE, YES_CASE, YES_CASE, NO_CASE)};

/* A function of libc, past our own of the same name. */
static void *libc_function(const char *name) {
#if defined(__GLIBC__)
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.4",
                                           "GLIBC_2.0"};
    for (size_t i = 0; i < COUNT(versions); i++) {
        void *found = dlvsym(RTLD_NEXT, name, versions[i]);
        if (found)
            return found;
    }
    return NULL;
#else
    return dlsym(RTLD_NEXT, name);
#endif
}

static void libc_functions(void) {
    if (g_route.sym)
        return;
    g_route.open = (dlopen_function)libc_function("dlopen");
    Dl_info self;
    if (dladdr((void *)gpusim_hop, &self) && self.dli_fname)
        snprintf(g_route.self, sizeof g_route.self, "%s", self.dli_fname);
    g_route.sym = (dlsym_function)libc_function("dlsym");
}

static int opencl_library(const char *path) {
    static const char *const names[] = {"libOpenCL", "libmali", "libGLES_mali", "libPVROCL"};
    const char *base = path ? strrchr(path, '/') : NULL;
    base = base ? base + 1 : path;
    for (size_t i = 0; base && i < COUNT(names); i++)
        if (starts_with(base, names[i]))
            return 1;
    return 0;
}

/* Is the address one of ours? */
static int ours(const void *address) {
    Dl_info a, self;
    return address && dladdr(address, &a) && dladdr((void *)gpusim_hop, &self) &&
           a.dli_fbase == self.dli_fbase;
}

/* An OpenCL library, and neither this shim nor another copy of it (which is a layer as well). */
static int is_runtime(void *handle) {
    void *entry = handle ? g_route.sym(handle, "clGetPlatformIDs") : NULL;
    return entry && !ours(entry) && !g_route.sym(handle, "clInitLayer");
}

static int loaded_library(struct dl_phdr_info *info, size_t size, void *out) {
    (void)size;
    if (!opencl_library(info->dlpi_name))
        return 0;
    void *handle = g_route.open(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
    if (!is_runtime(handle))
        return 0;
    *(void **)out = handle;
    return 1;
}

/* The library that is loaded already, else the first that can be. */
static void *find_library(void) {
    static const char *const names[] = {
        "libOpenCL.so.1", "libOpenCL.so", "libmali.so.1", "libmali.so", "libGLES_mali.so",
        "libPVROCL.so",
#if defined(__x86_64__)
        "/usr/lib/x86_64-linux-gnu/libOpenCL.so.1",
#elif defined(__aarch64__)
        "/usr/lib/aarch64-linux-gnu/libOpenCL.so.1", "/vendor/lib64/egl/libGLES_mali.so",
        "/vendor/lib64/libOpenCL.so", "/system/vendor/lib64/libOpenCL.so",
#else
        "/usr/lib/arm-linux-gnueabihf/libOpenCL.so.1", "/vendor/lib/egl/libGLES_mali.so",
        "/vendor/lib/libOpenCL.so", "/system/vendor/lib/libOpenCL.so",
#endif
        "/usr/lib64/libOpenCL.so.1", "/usr/lib/libOpenCL.so.1"};
    const char *asked = environment("GPUSIM_REAL_OPENCL");
    void *handle = NULL;
    if (asked) {
        handle = g_route.open(asked, RTLD_NOW | RTLD_LOCAL);
        if (!is_runtime(handle))
            complain("GPUSIM_REAL_OPENCL does not name an OpenCL library");
        return is_runtime(handle) ? handle : NULL;
    }
    dl_iterate_phdr(loaded_library, &handle);
    for (size_t i = 0; !handle && i < COUNT(names); i++) {
        handle = g_route.open(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!is_runtime(handle))
            handle = NULL;
    }
    return handle;
}

static void resolve_library(void) {
    pthread_mutex_lock(&g_route_lock);
    libc_functions();
    if (!g_route.resolved && g_route.sym && g_route.open) {
        if (!g_route.handle)
            g_route.handle = find_library();
        for (int i = 0; g_route.handle && i < API_COUNT; i++) {
            void *symbol = g_route.sym(g_route.handle, g_api_names[i]);
            g_route.symbols[i] = ours(symbol) ? NULL : symbol;
        }
        if (g_route.handle) {
            void *symbol = g_route.sym(g_route.handle, "clImportMemoryARM");
            g_route.import_memory = ours(symbol) ? NULL : symbol;
        }
        if (!g_layer)
            memcpy(g_real, g_route.symbols, sizeof g_real);
        g_route.resolved = 1;
    }
    pthread_mutex_unlock(&g_route_lock);
}

/* Stands where the runtime below has no such call. */
static cl_int no_such_call(void) { return CL_INVALID_OPERATION; }

static cl_int no_runtime(void) {
    static int told;
    if (!told++)
        complain("no OpenCL library was found below the shim (GPUSIM_REAL_OPENCL names one)");
    return CL_PLATFORM_NOT_FOUND_KHR;
}

/* Does this process present an extension whose entry points the shim provides? */
static int imports_memory(void) {
    return g_route.import_memory || profile_claims("cl_arm_import_memory");
}

static int slot_named(const char *name) {
    for (int i = 0; name && i < API_COUNT; i++)
        if (!strcmp(name, g_api_names[i]))
            return i;
    return -1;
}

extern cl_mem clImportMemoryARM(cl_context, cl_bitfield, const cl_ptr_properties *, void *, size_t,
                                cl_int *);

/* What clGetExtensionFunctionAddress says: our functions for the calls we record. */
static void *extension_function(const char *name, void *found) {
    int slot = slot_named(name);
    if (name && !strcmp(name, "clImportMemoryARM"))
        return imports_memory() ? (void *)clImportMemoryARM : found;
    if (slot >= 0 && g_recorders[slot] && found)
        return g_recorders[slot];
    if (found && name)
        note("extension function", name);
    return found;
}

static void *shim_clGetExtensionFunctionAddress(const char *name) {
    NESTED(clGetExtensionFunctionAddress, NULL, name);
    return extension_function(name, CALL(clGetExtensionFunctionAddress, name));
}

static void *shim_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                                           const char *name) {
    NESTED(clGetExtensionFunctionAddressForPlatform, NULL, platform, name);
    return extension_function(
        name, CALL(clGetExtensionFunctionAddressForPlatform, platform, name));
}

/* A library that a program loads by name: the real one stays loaded, the program gets us. */
static void *redirected_dlopen(const char *path, int flags) {
    void *handle = g_route.open(path, flags);
    if (!handle || !is_runtime(handle))
        return handle;
    pthread_mutex_lock(&g_route_lock);
    if (!g_route.handle)
        g_route.handle = handle;
    pthread_mutex_unlock(&g_route_lock);
    void *self = g_route.open(g_route.self, RTLD_NOW | RTLD_LOCAL);
    return self ? self : handle;
}

/* Symbols of a redirected library: ours for OpenCL, the real library's for the rest. */
static void *redirected_dlsym(void *handle, const char *name) {
    void *found = g_route.sym(handle, name);
    int slot = slot_named(name);
    if (slot >= 0 && g_exported[slot]) {
        resolve_library();
        /* A program that looks for a call to learn the version must not find what is not there. */
        if (found && ours(found) && g_route.handle && !g_route.symbols[slot])
            return NULL;
        if (found && found == g_route.symbols[slot])
            return g_route.sym(RTLD_DEFAULT, name) ? g_route.sym(RTLD_DEFAULT, name) : found;
        return found;
    }
    if (name && !strcmp(name, "clImportMemoryARM")) {
        resolve_library();
        start();
        return found && ours(found) && !imports_memory() ? NULL : found;
    }
    return found;
}

static void *dlsym_in_real(void *handle, const char *name) {
    (void)handle;
    return g_route.sym(g_route.handle, name);
}

static void *pick_dlsym(void *handle, const char *name) {
    if (t_depth || handle == RTLD_NEXT || handle == RTLD_DEFAULT || !name)
        return (void *)g_route.sym;
    if (name[0] == 'c' && name[1] == 'l')
        return (void *)redirected_dlsym;
    /* Mali's library is OpenCL and OpenGL ES at once; what is not ours is the real library's. */
    if (g_route.handle && !g_route.sym(handle, name)) {
        void *self = g_route.open(g_route.self, RTLD_NOW | RTLD_NOLOAD);
        if (self && self == handle)
            return (void *)dlsym_in_real;
    }
    return (void *)g_route.sym;
}

static cl_mem import_memory(cl_context context, cl_bitfield flags,
                            const cl_ptr_properties *properties, void *memory, size_t size,
                            cl_int *error) {
    return shim_clImportMemoryARM(context, flags, properties, memory, size, error);
}

static void *pick_exported(int slot) {
    start();
    resolve_library();
    if (!g_route.handle && !g_layer)
        return (void *)no_runtime;
    void *real = g_route.symbols[slot];
    /* With the layer in place the loader leads there by itself. */
    if (g_layer)
        return gpusim_hop[slot] = real ? real : (void *)no_such_call;
    if (!*g_entry)
        g_entry = environment("GPUSIM_REAL_OPENCL") ? "dropin" : "preload";
    if (g_recorders[slot])
        return gpusim_hop[slot] = g_recorders[slot];
    if (!real)
        return gpusim_hop[slot] = (void *)no_such_call;
    if (g_noted[slot] && t_depth)
        return real;
    if (g_noted[slot])
        note("unrecorded call", g_api_names[slot]);
    return gpusim_hop[slot] = real;
}

static void *pick_layer(int slot) {
    void *real = g_real[slot] ? g_real[slot] : (void *)no_such_call;
    if (g_noted[slot])
        note("unrecorded call", g_api_names[slot]);
    return gpusim_hop[HOP_LAYER + slot] = real;
}

/* Asked by the stubs: the function that takes this call. `a0`, `a1` are its first arguments. */
void *gpusim_pick(uintptr_t slot, uintptr_t a0, uintptr_t a1) {
    if (slot < HOP_LAYER)
        return pick_exported((int)slot);
    if (slot < HOP_DLOPEN)
        return pick_layer((int)slot - HOP_LAYER);
    libc_functions();
    if (slot == HOP_DLOPEN)
        return !t_depth && opencl_library((const char *)a0) ? (void *)redirected_dlopen
                                                            : (void *)g_route.open;
    if (slot == HOP_DLSYM)
        return pick_dlsym((void *)a0, (const char *)a1);
    start();
    resolve_library();
    return g_route.import_memory && !g_profile.active ? g_route.import_memory
                                                      : (void *)import_memory;
}

/* The loader's layer interface, the older and the newer one. */
static void *g_layer_table[API_COUNT];

#define LAYER_ENTRY(number, name)                                                                  \
    g_layer_table[number] =                                                                        \
        g_recorders[number] ? g_recorders[number] : (void *)gpusim_layer_##name;

PUBLIC cl_int clGetLayerInfo(cl_uint query, size_t capacity, void *out, size_t *size) {
    static const cl_uint version = 100;
    if (query == CL_LAYER_API_VERSION)
        return give(&version, sizeof version, capacity, out, size);
    if (query == CL_LAYER_NAME)
        return give("gpusim", sizeof "gpusim", capacity, out, size);
    return CL_INVALID_VALUE;
}

PUBLIC cl_int clInitLayer(cl_uint count, void *const *below, cl_uint *count_out,
                          void *const **table) {
    if (!below || !count_out || !table)
        return CL_INVALID_VALUE;
    start();
    *count_out = API_COUNT;
    /* A second loader in the process: handles are the drivers', so the first one serves. */
    if (!g_layer) {
        memset(g_real, 0, sizeof g_real);
        memcpy(g_real, below, (count < API_COUNT ? count : API_COUNT) * sizeof *below);
        OPENCL_API(LAYER_ENTRY, LAYER_ENTRY, LAYER_ENTRY, LAYER_ENTRY)
        g_entry = "layer";
        g_layer = 1;
        /* Calls that came in through the exported symbols now reach us through the loader. */
        for (int i = 0; g_route.resolved && i < API_COUNT; i++)
            if (gpusim_hop[i] == g_recorders[i] && g_route.symbols[i])
                gpusim_hop[i] = g_route.symbols[i];
    }
    *table = g_layer_table;
    return CL_SUCCESS;
}

PUBLIC cl_int clInitLayerWithProperties(cl_uint count, void *const *below, cl_uint *count_out,
                                        void *const **table, const cl_properties *properties) {
    (void)properties;
    return clInitLayer(count, below, count_out, table);
}

/* The loader is about to go; the driver may already have. Nothing is asked of either. */
PUBLIC cl_int clDeinitLayer(void) { return CL_SUCCESS; }
