# Completion for levin(1), loaded by bash-completion.
# shellcheck shell=bash
_levin() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(levin --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p') help --help --version" -- "$current")
        return
    fi
    case $previous in
    --keyspace)
        local IFS=$'\n'
        mapfile -t COMPREPLY < <(compgen -W "$(levin keyspaces "${COMP_WORDS[2]}" 2>/dev/null)" -- "$current")
        return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "deb822 tsv ndjson" -- "$current"); return ;;
    --durability) mapfile -t COMPREPLY < <(compgen -W "none logged synced" -- "$current"); return ;;
    --preset) mapfile -t COMPREPLY < <(compgen -W "balanced read_optimized write_optimized low_memory max_durability development" -- "$current"); return ;;
    --option) mapfile -t COMPREPLY < <(compgen -W "$(levin "$command" --option help 2>/dev/null | sed -n 's/^\([a-z_]*\) .*/\1=/p')" -- "$current")
        compopt -o nospace 2>/dev/null
        return ;;
    --page-size) mapfile -t COMPREPLY < <(compgen -W "4K 8K 16K 32K 64K" -- "$current"); return ;;
    esac
    case $current in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(levin "$command" --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*' | sort -u) --help" -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}
complete -o filenames -F _levin levin
