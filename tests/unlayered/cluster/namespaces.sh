#!/bin/sh
# A scheduler and two workers, each in a network of its own behind one bridge, then a verb: namespaces.sh PYTHON VERB...
# Runs under `unshare -rmn`; ends with 77 where the system forbids what it needs.
set -u
python=$1
shift
{
    mount -t tmpfs none /run && mkdir /run/netns && ip link set lo up &&
        ip link add hub type bridge && ip addr add 10.77.0.1/24 dev hub && ip link set hub up
} || exit 77
for i in 2 3 4; do
    {
        ip netns add "n$i" && ip link add "v$i" type veth peer name "e$i" && ip link set "e$i" netns "n$i" &&
            ip link set "v$i" master hub up && ip -n "n$i" addr add "10.77.0.$i/24" dev "e$i" &&
            ip -n "n$i" link set "e$i" up && ip -n "n$i" link set lo up
    } || exit 77
done
begin() { nsenter "--net=/run/netns/n$1" "$python" -m "distributed.cli.$2" --host "10.77.0.$1" --no-dashboard $3 & }
begin 2 dask_scheduler "--port 8786 --no-show"
scheduler=$!
begin 3 dask_worker "tcp://10.77.0.2:8786 --nthreads 1 --local-directory /run"
one=$!
begin 4 dask_worker "tcp://10.77.0.2:8786 --nthreads 1 --local-directory /run"
two=$!
"$python" -c "import distributed; distributed.Client('tcp://10.77.0.2:8786', timeout=60).wait_for_workers(2, 60)" &&
    "$python" -m unlayered "$@" --workers tcp://10.77.0.2:8786 --insecure
code=$?
kill "$one" "$two" "$scheduler"
wait
exit "$code"
