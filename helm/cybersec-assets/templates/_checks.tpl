{{/* Check that the Secrets named in the values exist, if a cluster can be asked: a pod without its Secret reports no error. */}}

{{- define "cybersec.requireSecrets" -}}
{{- $there := lookup "v1" "Secret" .Release.Namespace "" }}
{{- if $there }}
{{- range include "cybersec.namedSecrets" . | fromYamlArray }}
{{- $named := . }}
{{- if .secret }}
{{- $keys := dict }}
{{- range $there.items }}
{{- if eq .metadata.name $named.secret }}
{{- $keys = merge (dict "found" true) (default dict .data) }}
{{- end }}
{{- end }}
{{- if not $keys }}
{{- fail (printf "%s names the Secret %s, which does not exist in the namespace %s: create it first" .value .secret $.Release.Namespace) }}
{{- end }}
{{- range .keys }}
{{- if and . (not (hasKey $keys .)) }}
{{- fail (printf "%s names the Secret %s, which has no key %s: add it, or set another key" $named.value $named.secret .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Each value that names a Secret, and the keys that are read from that Secret. */}}
{{- define "cybersec.namedSecrets" -}}
{{- $audit := .Values.audit }}
{{- $s3 := .Values.s3 }}
{{- $flows := .Values.flows.s3 }}
{{- range $name := list "audit" "migration" "dagster" }}
{{- $role := index $.Values.postgresql $name }}
- {value: postgresql.{{ $name }}.existingSecret, secret: {{ $role.existingSecret | quote }}, keys: [{{ $role.userKey | quote }}, {{ $role.passwordKey | quote }}]}
{{- end }}
{{- with .Values.postgresql.metrics }}
- {value: postgresql.metrics.existingSecret, secret: {{ ternary .existingSecret "" $.Values.metrics.enabled | quote }}, keys: [{{ .userKey | quote }}, {{ .passwordKey | quote }}]}
{{- end }}
- {value: postgresql.caSecret, secret: {{ .Values.postgresql.caSecret | quote }}, keys: [{{ .Values.postgresql.caKey | quote }}]}
- {value: s3.existingSecret, secret: {{ $s3.existingSecret | quote }}, keys: [{{ $s3.accessKeyKey | quote }}, {{ $s3.secretKeyKey | quote }}]}
- {value: s3.caSecret, secret: {{ $s3.caSecret | quote }}, keys: [{{ $s3.caKey | quote }}]}
- {value: audit.existingSecret, secret: {{ $audit.existingSecret | quote }}, keys: [{{ $audit.signingKeyKey | quote }}]}
{{- with .Values.flows.pseudonyms }}
- {value: flows.pseudonyms.existingSecret, secret: {{ .existingSecret | quote }}, keys: [{{ .keyKey | quote }}]}
{{- end }}
- {value: flows.s3.existingSecret, secret: {{ $flows.existingSecret | quote }}, keys: [{{ $flows.accessKeyKey | quote }}, {{ $flows.secretKeyKey | quote }}]}
{{- end }}
