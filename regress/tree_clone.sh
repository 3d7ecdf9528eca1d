#!/bin/bash
# Sourced in the top directory: this tree's files, committed or not, in a clone, to be compared with another state of it.

# tree_files DIRECTORY: into a clone there; what it has built stays
tree_files() {
    [ -d "$1/.git" ] || git clone -q --no-checkout . "$1" || return
    find "$1" -mindepth 1 -maxdepth 1 ! -name .git ! -name build -exec rm -rf {} +
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -f "$file" ] || printf '%s\0' "$file"
    done | tar -c --null -T - | tar -x -C "$1"
}
# tree_commit MESSAGE: all that is in the clone, which is the current directory
tree_commit() { git add -A && git -c user.name=gate -c user.email=gate@localhost commit -q --allow-empty -m "$1"; }
