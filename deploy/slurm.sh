#!/bin/bash
# A training on two machines with four GPUs each: sbatch deploy/slurm.sh FOLDER NAME
# Every task of srun is one process; which one it is, and where the first one is, it reads from SLURM's environment.
#SBATCH --job-name=striate
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
data=$1
name=$2
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
# A job that SLURM ends or repeats goes on from its last checkpoint
if [ -d "runs/$name" ]; then
  exec srun --kill-on-bad-exit=1 striate train --name "$name" --resume
fi
exec srun --kill-on-bad-exit=1 striate train "$data" --name "$name"
