"""The environment variables of the zygote and of every worker. Imports nothing."""

THREADS = "1"
ENVIRONMENT = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": THREADS,
    "OMP_WAIT_POLICY": "passive",
    "OPENBLAS_NUM_THREADS": THREADS,
    "MKL_NUM_THREADS": THREADS,
    "HF_HUB_OFFLINE": "1",
}
