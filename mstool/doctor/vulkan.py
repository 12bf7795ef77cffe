"""Ask the Vulkan loader which drivers there are. `python -m mstool.doctor.vulkan` prints them as JSON.

Through ctypes, so that it needs neither SAPIEN nor `vulkaninfo`; in a process of its own, because loading a broken
driver can crash. Structures and constants: vulkan_core.h, version 1.2.
"""

import ctypes
import json

API_VERSION = 1 << 22 | 2 << 12  # 1.2, the first with VkPhysicalDeviceDriverProperties
APPLICATION_INFO, INSTANCE_CREATE_INFO = 0, 1
PROPERTIES_2, DRIVER_PROPERTIES = 1000059001, 1000196000


class _ApplicationInfo(ctypes.Structure):
    """VkApplicationInfo."""

    _fields_ = (
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("pApplicationName", ctypes.c_char_p),
        ("applicationVersion", ctypes.c_uint32),
        ("pEngineName", ctypes.c_char_p),
        ("engineVersion", ctypes.c_uint32),
        ("apiVersion", ctypes.c_uint32),
    )


class _InstanceInfo(ctypes.Structure):
    """VkInstanceCreateInfo."""

    _fields_ = (
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("pApplicationInfo", ctypes.POINTER(_ApplicationInfo)),
        ("enabledLayerCount", ctypes.c_uint32),
        ("ppEnabledLayerNames", ctypes.c_void_p),
        ("enabledExtensionCount", ctypes.c_uint32),
        ("ppEnabledExtensionNames", ctypes.c_void_p),
    )


class _DriverProperties(ctypes.Structure):
    """VkPhysicalDeviceDriverProperties: the driver in its maker's words, which lavapipe's version number is not."""

    _fields_ = (
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("driverID", ctypes.c_int),
        ("driverName", ctypes.c_char * 256),
        ("driverInfo", ctypes.c_char * 256),
        ("conformanceVersion", ctypes.c_uint32),
    )


class _Properties2(ctypes.Structure):
    """VkPhysicalDeviceProperties2: the head of its long inner structure, and more than enough room for the rest."""

    _fields_ = (
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("apiVersion", ctypes.c_uint32),
        ("driverVersion", ctypes.c_uint32),
        ("vendorID", ctypes.c_uint32),
        ("deviceID", ctypes.c_uint32),
        ("deviceType", ctypes.c_uint32),
        ("deviceName", ctypes.c_char * 256),
        ("rest", ctypes.c_char * 4096),
    )


def devices() -> list[dict[str, str]]:
    """Return name and driver of every Vulkan device.

    Raises
    ------
    OSError
        The loader (libvulkan.so.1) is not installed, or has no driver to load.

    """
    vulkan = ctypes.CDLL("libvulkan.so.1")
    instance = ctypes.c_void_p()
    application = _ApplicationInfo(sType=APPLICATION_INFO, apiVersion=API_VERSION)
    info = _InstanceInfo(sType=INSTANCE_CREATE_INFO, pApplicationInfo=ctypes.pointer(application))
    result = vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance))
    if result != 0:
        raise OSError(f"the Vulkan loader found no driver (vkCreateInstance: {result})")
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    handles = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles)
    found = [_describe(vulkan, ctypes.c_void_p(handle)) for handle in handles]
    vulkan.vkDestroyInstance(instance, None)
    return found


def _describe(vulkan: ctypes.CDLL, handle: ctypes.c_void_p) -> dict[str, str]:
    driver = _DriverProperties(sType=DRIVER_PROPERTIES)
    properties = _Properties2(sType=PROPERTIES_2, pNext=ctypes.addressof(driver))
    vulkan.vkGetPhysicalDeviceProperties2(handle, ctypes.byref(properties))
    words = [text.decode(errors="replace") for text in (driver.driverName, driver.driverInfo)]
    return {"name": properties.deviceName.decode(errors="replace"), "driver": " ".join(filter(None, words))}


def main() -> None:
    """Print `{"devices": [...], "problem": ""}`."""
    try:
        answer = {"devices": devices(), "problem": ""}
    except OSError as error:
        answer = {"devices": [], "problem": str(error)}
    print(json.dumps(answer))  # noqa: T201 - the answer to the process that asked


if __name__ == "__main__":
    main()
