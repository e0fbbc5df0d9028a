/* The experiments, as payload.py writes them. */
    .section .rodata
    .balign 16
    .globl replayer_payload
replayer_payload:
    .incbin "payload.bin"
    .globl replayer_payload_end
replayer_payload_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
