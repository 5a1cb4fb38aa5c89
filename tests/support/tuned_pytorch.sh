# What PyTorch needs to be fast on a CPU, as an array `tuned` of settings for env; see golden/train_pytorch.py. Sourced by
# the scripts that compare with it, which set `python`.
fail_without_torch() {
  "$python" -c 'import torch' 2>/dev/null && return
  echo "$1: $python has no torch; on Debian or Ubuntu: apt-get install python3-torch" >&2
  exit 1
}

# Settings that hold OpenBLAS to an older processor's kernels: without them it chooses itself, for all that compare.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
tuned=(MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TOP_PAD_=268435456
  GLIBC_TUNABLES=glibc.malloc.hugetlb=1)
blas=/usr/lib/$(uname -m)-linux-gnu/openblas-openmp
if [ -e "$blas/libopenblas.so.0" ]; then
  tuned+=("LD_LIBRARY_PATH=$blas")
else
  echo "PyTorch runs with another BLAS than it could: apt-get install libopenblas0-openmp makes it faster" >&2
fi
if grep -q avx512f /proc/cpuinfo 2>/dev/null; then tuned+=(ATEN_CPU_CAPABILITY=avx512); fi
