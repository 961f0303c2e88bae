"""The environments from Python with nothing but ctypes: vecenv.py LIBCANOPY.SO [STEPS]"""
import ctypes as c
import sys

lib = c.CDLL(sys.argv[1])
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 200
N, OBS = 4, 70


class Conf(c.Structure):  # struct canopy_env_conf
    _fields_ = [("trace", c.c_char_p), ("rate_mbps", c.c_double), ("uplink", c.c_char_p), ("delay_ms", c.c_double),
                ("buffer_bdp", c.c_double), ("nominal_mbps", c.c_double), ("loss", c.c_double), ("noise", c.c_double),
                ("noise_feature", c.c_char_p), ("noise_gaussian", c.c_int32), ("emulator", c.c_int32),
                ("seed", c.c_uint64), ("duration_s", c.c_double), ("steps", c.c_uint64), ("patience_s", c.c_double),
                ("receive_window", c.c_double), ("shield", c.c_char_p),
                ("delay_tolerance", c.c_double), ("drop_price", c.c_double)]


confs = (Conf * N)(*[Conf(rate_mbps=12 * (i + 1), delay_ms=20, seed=1 + i) for i in range(N)])
obs, actions, rewards = ((c.c_float * k)() for k in (N * OBS, N, N))
env = c.c_void_p()
lib.canopy_env_step.argtypes = [c.c_void_p] + [c.c_void_p] * 4
if lib.canopy_env_new(c.byref(env), confs, c.c_size_t(c.sizeof(Conf)), c.c_size_t(N), 1):
    sys.exit(1)
assert lib.canopy_env_reset(env, obs, None) == 0
total = 0.0
for t in range(steps):
    for i in range(N):
        actions[i] = 0.5 * (obs[i * OBS + OBS - 2] - 0.8)  # inv_rtt of the newest frame
    assert lib.canopy_env_step(env, actions, obs, rewards, None) == 0
    total += sum(rewards)
print("mean reward %.6f" % (total / (steps * N)))
lib.canopy_env_free(env)
