/** What the shells do at TAB: ask `berth complete -- WORD…`, whose first line is «values» or «files». */

const BASH = `# bash completion of berth; in ~/.bashrc: source <(berth completion bash)
_berth() {
  local line value
  local -a found
  mapfile -t found < <(berth complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=()
  if [[ \${found[0]} == files ]]; then
    compopt -o default
    return
  fi
  for line in "\${found[@]:1}"; do
    printf -v value %q "\${line%%$'\\t'*}"
    COMPREPLY+=("$value")
  done
}
complete -F _berth berth
`;

const ZSH = `#compdef berth
# zsh completion of berth; as a file _berth in a directory of fpath, or in ~/.zshrc: source <(berth completion zsh)
_berth() {
  local line
  local -a found values
  found=("\${(@f)$(berth complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == files ]]; then
    _files
    return
  fi
  for line in "\${(@)found[2,-1]}"; do
    values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe berth values
}
if [[ $funcstack[1] == _berth ]]; then
  _berth "$@"
else
  compdef _berth berth
fi
`;

const FISH = `# fish completion of berth; as ~/.config/fish/completions/berth.fish
function __berth_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (berth complete -- $words[2..-1] 2>/dev/null)
    if test "$found[1]" = files
        __fish_complete_path (commandline -ct)
    else if set -q found[2]
        printf '%s\\n' $found[2..-1]
    end
end
complete -c berth -f -a '(__berth_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH };
