{{/* Names and labels. */}}

{{- define "cybersec.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Truncated so that the name of a CronJob with its suffix has at most 52 characters. */}}
{{- define "cybersec.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" }}
{{- else if contains (include "cybersec.name" .) .Release.Name }}
{{- .Release.Name | trunc 36 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "cybersec.name" .) | trunc 36 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cybersec.selector" -}}
app.kubernetes.io/name: {{ include "cybersec.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cybersec.labels" -}}
{{ include "cybersec.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* A whole `metadata`; takes (list context suffix component). */}}
{{- define "cybersec.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "cybersec.fullname" $root }}-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "cybersec.labels" $root | nindent 2 }}
  app.kubernetes.io/component: {{ index . 2 }}
{{- end }}

{{- define "cybersec.image" -}}
{{- if not .Values.image.repository }}
{{- fail "image.repository is empty: set it to the repository of the image built from the project's Dockerfile" }}
{{- end }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}

{{- define "cybersec.generated" -}}
{{ include "cybersec.fullname" . }}-generated
{{- end }}

{{- define "cybersec.postgresql.host" -}}
{{- if .Values.demo.enabled -}}
{{ include "cybersec.fullname" . }}-postgresql
{{- else if .Values.postgresql.host -}}
{{ .Values.postgresql.host }}
{{- else -}}
{{- fail "postgresql.host is empty: set it to your PostgreSQL server, or set demo.enabled=true for a trial" }}
{{- end }}
{{- end }}

{{- define "cybersec.postgresql.port" -}}
{{ .Values.demo.enabled | ternary 5432 (int .Values.postgresql.port) }}
{{- end }}

{{- define "cybersec.s3.endpoint" -}}
{{- if .Values.demo.enabled -}}
http://{{ include "cybersec.fullname" . }}-minio:9000
{{- else if .Values.s3.endpoint -}}
{{ .Values.s3.endpoint }}
{{- else -}}
{{- fail "s3.endpoint is empty: set it to the URL of your S3 server, or set demo.enabled=true for a trial" }}
{{- end }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "cybersec.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{ default (eq $url.scheme "https" | ternary "443" "80") $port }}
{{- end }}

{{/* Ports of the stores and those behind their Services, which many network plugins evaluate. */}}
{{- define "cybersec.storePorts" -}}
- {protocol: TCP, port: {{ include "cybersec.postgresql.port" . }}}
- {protocol: TCP, port: {{ include "cybersec.s3.endpoint" . | include "cybersec.port" }}}
{{- range .Values.networkPolicy.storePorts }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end }}

{{/* The API server is known only by its ports. */}}
{{- define "cybersec.apiServerPorts" -}}
{{- range .Values.networkPolicy.apiServerPorts }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end }}

{{/* Peers of a NetworkPolicy: this release's pods of the given components; takes (list context component…). */}}
{{- define "cybersec.pods" -}}
- podSelector:
    matchLabels:
      {{- include "cybersec.selector" (index . 0) | nindent 6 }}
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: {{ rest . | toJson }}
{{- end }}
