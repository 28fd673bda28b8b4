"""Cyclic garbage that code under test leaves, which only the garbage collector would free."""

import contextlib
import gc
import types


@contextlib.contextmanager
def collecting(part, *packages):
    """Give a function that returns the cyclic garbage of a part since the last call.

    ``part`` is what the paths of its files contain; objects of ``packages`` belong to it as well.
    What clients and peers of a test leave does not count.
    """

    def belongs(object_):
        if isinstance(object_, types.FrameType | types.CoroutineType):
            code = object_.f_code if isinstance(object_, types.FrameType) else object_.cr_code
            return part in code.co_filename
        return type(object_).__module__.split(".")[0] in packages

    def collect():
        gc.collect()
        objects = [each for each in gc.garbage if belongs(each)]
        gc.garbage.clear()
        return objects

    gc.collect()
    gc.disable()
    gc.freeze()  # older objects cannot become garbage of the test; searching them takes time
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield collect
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
