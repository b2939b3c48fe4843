{{/* What a program is started by, so that its logs are JSON; its name and arguments are the container's `args`. */}}
{{- define "cybersec.jsonLogs" -}}
[python, -m, cybersec_assets.operations.json_logging]
{{- end }}
