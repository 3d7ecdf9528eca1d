#!/bin/bash
# A Slurm of one node, this one, as root and without systemd: munged, slurmctld, slurmd, with all they write in one directory.
#
#   slurm_node.sh start DIRECTORY        prints what to export: SLURM_CONF=...
#   slurm_node.sh stop DIRECTORY
set -u

action=$1 directory=$2
name=$(hostname -s)
stop() {
    local program pid
    for program in slurmd slurmctld munged; do
        pid=$(cat "$directory/$program.pid" 2>/dev/null) && kill "$pid" 2>/dev/null
    done
    for program in slurmd slurmctld munged; do
        pid=$(cat "$directory/$program.pid" 2>/dev/null) || continue
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    done
}
if [ "$action" = stop ]; then
    stop
    exit 0
fi
free_port() { # two ports that nobody listens on, by the process's number
    local port=$((20000 + ($$ * 2 + $1) % 20000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}
mkdir -p "$directory"/{state,spool}
chmod 755 "$directory"
dd if=/dev/urandom of="$directory/munge.key" bs=1024 count=1 status=none
chmod 400 "$directory/munge.key"
cat >"$directory/slurm.conf" <<END
ClusterName=levin
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CredType=cred/munge
SlurmctldPort=$(free_port 0)
SlurmdPort=$(free_port 1)
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=300
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$directory/slurm.conf
if ! {
    munged --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" --pid-file="$directory/munged.pid" \
        --log-file="$directory/munged.log" --seed-file="$directory/munge.seed" --num-threads=2 &&
        slurmctld -c && slurmd
} >"$directory/start.log" 2>&1; then
    cat "$directory/start.log" >&2
    stop
    exit 3
fi
for _ in $(seq 300); do
    [ "$(sinfo -h -o %T 2>/dev/null)" != idle ] || { echo "SLURM_CONF=$SLURM_CONF"; exit 0; }
    sleep 0.2
done
echo "slurm_node.sh: the node did not become idle" >&2
tail -n 5 "$directory"/slurm*.log >&2
stop
exit 3
