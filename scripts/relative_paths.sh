# Sourced by the scripts beside it before they change folder: what is relative is meant from where the script was called.
unset CDPATH

case "${REALM_HOME:-/}" in
    /* | "~"*) ;;
    *) export REALM_HOME="$PWD/$REALM_HOME" ;;
esac
case "${REALM_BASE_MODEL:-/}" in
    /* | "~"*) ;;
    # Anything else is a hub id, unless a folder of that name lies here.
    *) [ ! -d "$REALM_BASE_MODEL" ] || export REALM_BASE_MODEL="$PWD/${REALM_BASE_MODEL#./}" ;;
esac
