#!/bin/sh
# Builds one environment a framework or simulator (they cannot share one: sinabs pins nir 1.0.4, lava-dl an old torch).
# usage: environments.sh [FRAMEWORK...]; UNLAYERED_INTEROP names the folder, UV the uv to use.
set -eu
root=${UNLAYERED_INTEROP:-${XDG_CACHE_HOME:-$HOME/.cache}/unlayered-interop}
uv=${UV:-uv}
torch=${UNLAYERED_INTEROP_TORCH:-torch}
mkdir -p "$root"

make() { # name python packages...
    name=$1 python=$2
    shift 2
    [ -f "$root/$name/ready" ] && return 0
    "$uv" venv --quiet --clear --python "$python" "$root/$name"
    "$uv" pip install --quiet --python "$root/$name/bin/python" "$@" && touch "$root/$name/ready"
}

for framework in ${*:-norse snntorch spikingjelly sinabs rockpool lava-dl nengo-loihi brian2-loihi sanafe}; do
    case $framework in
        norse) make norse 3.11 "$torch" norse==1.1.0 nir==1.0.8 nirtorch==2.6 h5py ;;
        snntorch) make snntorch 3.11 "$torch" snntorch==1.0.0 nir==1.0.8 nirtorch==2.6 h5py ;;
        spikingjelly) make spikingjelly 3.11 "$torch" spikingjelly==2.0.0 nir==1.0.8 nirtorch==2.6 h5py ;;
        sinabs) make sinabs 3.11 "$torch" torchvision sinabs==3.1.3 nir==1.0.4 nirtorch h5py ;;
        rockpool)
            make rockpool 3.11 "$torch" jax jaxlib rockpool==3.1.0 nir nirtorch h5py
            # rockpool imports samna, whose PyPI package is a downloader; an empty module of that name is enough here
            "$root/rockpool/bin/python" -c "import sysconfig, pathlib; pathlib.Path(sysconfig.get_path('purelib'), 'samna.py').touch()" ;;
        lava-dl) make lava-dl 3.10 lava-dl==0.6.0 "setuptools<81" ;;
        nengo-loihi) make nengo-loihi 3.11 nengo-loihi==1.1.0 "numpy<1.25" "scipy<1.12" "setuptools<70" ;;
        brian2-loihi) make brian2-loihi 3.11 brian2-loihi==0.5.2 "numpy<2" "setuptools<70" ;;
        sanafe) make sanafe 3.11 sanafe==2.2.9 ;;
        *) echo "no framework $framework" >&2; exit 2 ;;
    esac
done
