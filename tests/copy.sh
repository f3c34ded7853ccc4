#!/bin/sh
# copy.sh - copies the sources, without what is built: copy.sh DIRECTORY
# The directory is made; it may be below build/, which is not copied.
mkdir -p "$1" && to=$(cd "$1" && pwd) && cd "$(dirname "$0")/.." || exit 1
tar -cf - --exclude=./build --exclude=./.git --exclude='*.[oad]' \
    --exclude=./dma --exclude=./dma-remote --exclude=./dma-smtpd \
    --exclude='./dma-smtpd-*' --exclude='*.so' \
    --exclude='./aliases_parse.[ch]' --exclude=./aliases_scan.c \
    --exclude='*_test' --exclude='*_fuzz' --exclude=__pycache__ \
    --exclude=./tests/compromise/compromised \
    --exclude=./tests/compromise/confined . | tar -xf - -C "$to"
