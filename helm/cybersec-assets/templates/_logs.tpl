{{/* The command that starts a program with JSON logs. The program and its arguments are the container's `args`. */}}
{{- define "cybersec.jsonLogs" -}}
[python, -m, cybersec_assets.operations.json_logging]
{{- end }}
